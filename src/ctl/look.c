/*
 * penguinctl queue, explain, verify, quarantine: looking, without changing anything.
 *
 * Explain answers "why has this recipient not got the mail" from one place: the
 * job's state and batch, then every attempt on every node with what was answered.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "command.h"

static int tenant_of(struct ctl *ctl, char ret_id[ID_TEXT + 1])
{
	return ctl_tenant(ctl, ctl_option(ctl, "tenant", NULL), ret_id);
}

int ctl_job(struct ctl *ctl, char ret_tenant[ID_TEXT + 1])
{
	struct id id;

	if (!id_parse(slice_of(ctl->arguments[0]), &id)) {
		return ctl_fail(EX_USAGE, "'%s' is no job id: a UUID as in the delivery log",
			ctl->arguments[0]);
	}
	return tenant_of(ctl, ret_tenant);
}

int queue_show(struct ctl *ctl)
{
	char tenant[ID_TEXT + 1];
	bool one = ctl_option(ctl, "tenant", NULL) != NULL;
	int code = one ? tenant_of(ctl, tenant) : ctl_connect(ctl);

	code = code != 0 ? code
			 : ctl_run(ctl, SQL_QUEUE_SHOW, (const char *const[]){one ? tenant : NULL});
	if (code == 0) {
		ctl_rows(ctl);
	}
	return code;
}

int explain(struct ctl *ctl)
{
	char tenant[ID_TEXT + 1];
	char campaign[ID_TEXT + 1];
	int code = ctl_job(ctl, tenant);
	const char *const values[] = {tenant, ctl->arguments[0]};

	code = code != 0 ? code : ctl_run(ctl, SQL_JOB_SHOW, values);
	if (code != 0) {
		return code;
	}
	if (pg_sync_rows(ctl->pg) == 0) {
		return ctl_fail(EX_DATAERR, "the tenant has no job %s", ctl->arguments[0]);
	}
	ctl_rows(ctl);
	memcpy(campaign, pg_sync_text(ctl->pg, 0, 0), sizeof(campaign));
	if (ctl_option(ctl, "json", NULL) == NULL) {
		code = ctl_tell_holds(ctl, tenant, campaign);
	}
	code = code != 0 ? code : ctl_run(ctl, SQL_ATTEMPT_LIST, values);
	if (code == 0) {
		ctl_rows(ctl);
	}
	return code;
}

int verify(struct ctl *ctl)
{
	char tenant[ID_TEXT + 1];
	int code = tenant_of(ctl, tenant);

	code = code != 0 ? code : ctl_run(ctl, SQL_VERIFY, (const char *const[]){tenant});
	if (code != 0) {
		return code;
	}
	ctl_rows(ctl);
	for (size_t i = 0; i < pg_sync_rows(ctl->pg); i++) {
		if (strcmp(pg_sync_text(ctl->pg, i, 2), pg_sync_text(ctl->pg, i, 3)) != 0) {
			return ctl_fail(EX_DATAERR, "the counters and the rows differ: see above");
		}
	}
	return 0;
}

int quarantine_list(struct ctl *ctl)
{
	char tenant[ID_TEXT + 1];
	bool one = ctl_option(ctl, "tenant", NULL) != NULL;
	int code = one ? tenant_of(ctl, tenant) : ctl_connect(ctl);

	code = code != 0 ? code
			 : ctl_run(ctl, SQL_QUARANTINE_LIST,
				   (const char *const[]){one ? tenant : NULL, "1000"});
	if (code == 0) {
		ctl_rows(ctl);
	}
	return code;
}

int quarantine_release(struct ctl *ctl)
{
	char tenant[ID_TEXT + 1];
	char batch[ID_TEXT + 1];
	int code = ctl_job(ctl, tenant);

	id_text(id_make((int64_t)time(NULL) * 1000), batch);
	code = code != 0 ? code
			 : ctl_run(ctl, SQL_QUARANTINE_RELEASE,
				   (const char *const[]){tenant, ctl->arguments[0], batch, "0"});
	if (code == 0 && pg_sync_rows(ctl->pg) == 0) {
		return ctl_fail(EX_DATAERR,
			"job %s is not in quarantine, or its campaign has ended",
			ctl->arguments[0]);
	}
	return code;
}
