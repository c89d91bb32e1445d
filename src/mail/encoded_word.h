/* Encoded words (RFC 2047): a text beyond ASCII as lines of at most 76 columns. */
#ifndef SRC_MAIL_ENCODED_WORD_H
#define SRC_MAIL_ENCODED_WORD_H

#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

/*
 * Appends the text, which is valid UTF-8, as one or more encoded words with folds
 * between them, in the fitter of the two encodings.  `column` is where the line
 * stands; the column behind the last word is returned.
 */
size_t encoded_word_add(struct buf *out, size_t column, struct slice text);

#endif
