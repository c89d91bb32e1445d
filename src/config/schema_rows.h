/* The rows of the schema, in two files by what they are about. */
#ifndef CONFIG_SCHEMA_ROWS_H
#define CONFIG_SCHEMA_ROWS_H

#include "config/schema.h"

/* Initialiser of a schema from its rows and the struct that they fill. */
#define SCHEMA_OF(rows, type) \
	{ \
		(rows), ARRAY_LEN(rows), sizeof(type) \
	}

extern const struct config_schema config_schema_root; /* of struct config */

extern const struct config_schema config_schema_sources;
extern const struct config_schema config_schema_pools;
extern const struct config_schema config_schema_routes;
extern const struct config_schema config_schema_providers;
extern const struct config_schema config_schema_default_site;

#endif
