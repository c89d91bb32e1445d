/*
 * The section models: of a penguin-world.yaml; used by schema.c and by what reads a
 * file of models alone.
 */
#ifndef WORLD_SCHEMA_ISP_H
#define WORLD_SCHEMA_ISP_H

#include "isp.h"

/* ret_settings gets an array in the reader's arena. */
void schema_read_models(struct reader *reader, const struct config_node *node,
	struct isp_settings **ret_settings, size_t *ret_count);

bool schema_is_reply(struct slice text);

#endif
