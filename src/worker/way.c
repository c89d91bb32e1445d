/*
 * From lane and session to the words of a route: what attempts, the journal and the
 * delivery log say of where a message went.  Names are those of the configuration and of
 * the DNS; addresses are made into texts here, since nobody else needs them as texts.
 */
#include "way.h"

void way_init(struct way *way)
{
	buf_init(&way->source, 64);
	buf_init(&way->mx, 64);
}

void way_clear(struct way *way)
{
	buf_clear(&way->source);
	buf_clear(&way->mx);
}

struct route way_route(const struct outlet *outlet, const struct plan *plan)
{
	return (struct route){
		.pool = plan_campaign(plan)->pool,
		.source = slice_of(outlet->source->name),
		.provider = outlet->provider != NULL ? slice_of(outlet->provider->name) : SLICE(""),
		.site = lane_site(outlet->lane),
	};
}

void way_add_session(struct way *way, struct session *session, struct route *route)
{
	const struct session_target *target = session_target(session);
	struct conn *conn = session_conn(session);
	union endpoint local = target->local;

	if (conn != NULL) {
		conn_local(conn, &local);
		route->tls_version = conn_tls_version(conn);
		route->tls_cipher = conn_tls_cipher(conn);
	}
	if (local.any.sa_family != AF_UNSPEC) {
		endpoint_add(&way->source, &local, false);
	}
	endpoint_add(&way->mx, &target->remote, false);
	route->source_address = buf_slice(&way->source);
	route->mx = target->host;
	route->mx_address = buf_slice(&way->mx);
	route->session = slice_of(session_id(session));
}
