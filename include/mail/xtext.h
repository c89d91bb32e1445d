/*
 * How text stands in the value of an ESMTP parameter: xtext (RFC 3461 section 4), and
 * for an address beyond ASCII in an SMTPUTF8 transaction the form of RFC 6533.
 */
#ifndef MAIL_XTEXT_H
#define MAIL_XTEXT_H

#include "base/buf.h"
#include "base/slice.h"

/* Every octet outside 33..126, and `+` and `=`, becomes `+` and two upper-case digits. */
void xtext_add(struct buf *out, struct slice text);

/* utf-8-addr-unitext: UTF-8 stands for itself, what else is special is \x{HEX}. */
void xtext_add_unitext(struct buf *out, struct slice text);

#endif
