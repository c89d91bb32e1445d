/*
 * Dot-stuffing, a line at a time where a chunk holds whole lines.
 *
 * The state between chunks is how far into the line we are and whether a CR waits
 * for its LF.  Every CR must be followed by LF and every LF preceded by CR: what
 * leaves here matches \A(?:[^\r\n]*\r\n)*\z, whatever went in, or nothing leaves.
 */
#include "mail/dot.h"

#include <string.h>

void dot_init(struct dot *dot)
{
	*dot = (struct dot){0};
}

/* The LF that a CR at the end of the last chunk waits for. */
static struct err take_lf(struct dot *dot, struct buf *out, struct slice *chunk)
{
	if (chunk->p[0] != '\n') {
		return err_input();
	}
	buf_add_byte(out, '\n');
	*chunk = slice_from(*chunk, 1);
	dot_init(dot);
	return ERR_OK;
}

/* The chunk up to the LF, which only a CR may stand before. */
static struct err take_piece(struct dot *dot, struct buf *out, struct slice *chunk)
{
	size_t lf = slice_find(*chunk, '\n');
	struct slice piece = slice_first(*chunk, lf);
	size_t cr = slice_find(piece, '\r');

	if (cr + 1 < piece.n || (lf < chunk->n && cr == piece.n) ||
		dot->column + cr > DOT_LINE_MAX) {
		return err_input();
	}
	if (dot->column == 0 && piece.n > 0 && piece.p[0] == '.') {
		buf_add_byte(out, '.');
	}
	buf_add(out, piece);
	dot->column += cr;
	dot->cr = cr < piece.n;
	*chunk = slice_from(*chunk, lf);
	return ERR_OK;
}

struct err dot_add(struct dot *dot, struct buf *out, struct slice chunk)
{
	while (chunk.n > 0) {
		struct err err = dot->cr ? take_lf(dot, out, &chunk) : take_piece(dot, out, &chunk);

		if (err_is(err)) {
			return err;
		}
	}
	return out->spoiled ? err_limit() : ERR_OK;
}

struct err dot_end(struct dot *dot, struct buf *out)
{
	if (dot->cr) {
		return err_input();
	}
	if (dot->column > 0) {
		buf_add(out, SLICE("\r\n"));
	}
	buf_add(out, SLICE(".\r\n"));
	dot_init(dot);
	return out->spoiled ? err_limit() : ERR_OK;
}
