/*
 * core/tools/setup_texts.c - see setup_texts.h. docs/office365-connector.md and docs/office365-direct.md explain it.
 */
#include "core/tools/setup_texts.h"

#include <string.h>

#include "core/tools/written.h"

/* A string of PowerShell in which nothing is expanded: only the quote itself is doubled. */
static void put_literal(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			fputc('\'', out);
		fputc(*text, out);
	}
	fputc('\'', out);
}

/* ---- the tenant's side -------------------------------------------------------------------------------------- */

static void put_connect(FILE *out)
{
	fputs("# In PowerShell 7, as an Exchange administrator of the tenant. First time: Install-Module "
	      "ExchangeOnlineManagement\n"
	      "Connect-ExchangeOnline -ShowBanner:$false\n",
	      out);
}

static void put_connector(FILE *out, const struct setup_answers *a)
{
	put_connect(out);
	fputs("# The domain must be there, and Authoritative or InternalRelay:\n"
	      "Get-AcceptedDomain | Format-Table DomainName, DomainType\n"
	      "New-InboundConnector -Name 'postrider' -ConnectorType OnPremises -SenderDomains '*' -RequireTls $true "
	      "`\n"
	      "  ",
	      out);
	if (a->certificate_name) {
		fputs("-TlsSenderCertificateName ", out);
		put_literal(out, a->certificate_name);
	} else {
		fputs("-SenderIPAddresses ", out);
		put_literal(out, a->address);
	}
	fputs("\n# What to look for afterwards: Enabled is True.\n"
	      "Get-InboundConnector 'postrider' | Format-List Enabled, ConnectorType, TlsSenderCertificateName, "
	      "SenderIPAddresses\n",
	      out);
}

static void put_direct(FILE *out, const struct setup_answers *a)
{
	put_connect(out);
	fputs("# Mail to the tenant's own mailboxes needs no connector, unless the tenant rejects it. False, or "
	      "nothing, "
	      "is right here:\n"
	      "Get-OrganizationConfig | Format-List RejectDirectSend\n",
	      out);
	fputs("# So that it does not end in the junk folder, publish this relay in the SPF record of ", out);
	fputs(a->domain, out);
	fputs(":\n#   v=spf1 ", out);
	if (a->address)
		fprintf(out, "%s:%s ", strchr(a->address, ':') ? "ip6" : "ip4", a->address);
	else
		fputs("ip4:ADDRESS-OF-THIS-RELAY ", out);
	fputs("include:spf.protection.outlook.com -all\n", out);
}

/* Each of a list "a, b", by itself. */
static void put_each(FILE *out, const char *list, const char *before, const char *between,
		     void (*put)(FILE *out, const char *text))
{
	char one[512];

	while (*list != '\0') {
		size_t length = strcspn(list, ", ");
		snprintf(one, sizeof(one), "%.*s", (int)length, list);
		list += length;
		list += strspn(list, ", ");
		fputs(before, out);
		put(out, one);
		if (*list != '\0')
			fputs(between, out);
	}
}

/*
 * Roles in Exchange (RBAC for Applications), scoped to a group: no permission in Entra at all. The object that Exchange
 * wants to know is the service principal's, which people mix up with the application's: so nobody copies it by hand.
 */
static void put_submission(FILE *out, const struct setup_answers *a)
{
	fputs("# In PowerShell 7, as a global or an application and Exchange administrator of the tenant. First time:\n"
	      "#   Install-Module Microsoft.Graph.Applications, ExchangeOnlineManagement -Scope CurrentUser\n"
	      "Connect-MgGraph -NoWelcome -Scopes 'Application.ReadWrite.All' -TenantId ",
	      out);
	put_literal(out, a->tenant);
	fputs("\nConnect-ExchangeOnline -ShowBanner:$false\n"
	      "$mailboxes = ",
	      out);
	put_each(out, a->mailboxes, "", ", ", put_literal);
	fputs("\n# The application, known by the relay's certificate. It gets no API permission: none is needed.\n"
	      "$key = @{ Type = 'AsymmetricX509Cert'; Usage = 'Verify'; DisplayName = 'postrider'\n"
	      "          Key = [Convert]::FromBase64String(",
	      out);
	put_literal(out, a->certificate_text);
	fputs(") }\n"
	      "$app = New-MgApplication -DisplayName 'postrider' -SignInAudience 'AzureADMyOrg' -KeyCredentials "
	      "@($key)\n"
	      "$principal = New-MgServicePrincipal -AppId $app.AppId\n"
	      "# It may send by SMTP as the members of one group, and nothing else.\n"
	      "New-ServicePrincipal -AppId $app.AppId -ObjectId $principal.Id -DisplayName 'postrider'\n"
	      "$group = New-DistributionGroup -Name 'postrider mailboxes' -Type Security -Members $mailboxes\n"
	      "$members = $group.DistinguishedName.Replace(\"'\", \"''\")\n"
	      "New-ManagementScope -Name 'postrider mailboxes' -RecipientRestrictionFilter \"MemberOfGroup -eq "
	      "'$members'\"\n"
	      "New-ManagementRoleAssignment -Name 'postrider SMTP' -App $app.AppId -Role 'Application SMTP.SendAsApp' "
	      "`\n"
	      "  -CustomResourceScope 'postrider mailboxes'\n"
	      "# SMTP has to be on for these mailboxes; it may stay off for the tenant.\n"
	      "$mailboxes | ForEach-Object { Set-CASMailbox $_ -SmtpClientAuthenticationDisabled $false }\n"
	      "# InScope should be True for each (the right to use it follows within two hours):\n"
	      "$mailboxes | ForEach-Object { Test-ServicePrincipalAuthorization -Identity $principal.Id -Resource $_ "
	      "}\n"
	      "# This is what the relay wants to know:\n"
	      "$app.AppId\n",
	      out);
}

/* What has to be done by hand there: which of its commands have which names changes still. */
static void put_hve(FILE *out, const struct setup_answers *a)
{
	fputs("# As an Exchange administrator of the tenant, in the admin center at "
	      "https://admin.exchange.microsoft.com:\n"
	      "#   Mail flow, High Volume Email: an account named ",
	      out);
	fputs(a->mailboxes, out);
	fputs(",\n#   and a billing policy, without which nothing is sent.\n"
	      "# Its password goes into the file ",
	      out);
	fputs(a->password_file, out);
	fputs(" on the relay.\n", out);
}

void setup_write_powershell(FILE *out, const struct setup_answers *answers)
{
	if (answers->path == SETUP_SUBMISSION)
		put_submission(out, answers);
	else if (answers->path == SETUP_HVE)
		put_hve(out, answers);
	else if (answers->path == SETUP_CONNECTOR)
		put_connector(out, answers);
	else
		put_direct(out, answers);
}

/* ---- this side ---------------------------------------------------------------------------------------------- */

/* A value of the configuration behind its key. */
static void put_value(FILE *out, const char *before, const char *value)
{
	fputs(before, out);
	written_quoted(out, value);
}

static void put_head(FILE *out, const struct setup_answers *a)
{
	fputs("# Made by \"postrider setup office365\". After a change: postrider check, then postrider reload.\n",
	      out);
	put_value(out, "hostname: ", a->hostname);
	put_value(out, "\nspool: { directory: ", a->spool);
	put_value(out, ", size_max: 4GiB }\nlisteners:\n  - { name: lan, address: ", a->listen);
	fprintf(out, " }\nclients: # who may send; all others are refused\n  - { name: local, networks: [%s] }\n",
		a->networks);
}

static void put_preset(FILE *out, const char *name)
{
	fprintf(out, "destinations:\n  - name: office365\n    preset: %s\n", name);
}

/* Microsoft's edge: as the DNS names it, or as somebody knows better. */
static void put_destination(FILE *out, const struct setup_answers *a)
{
	bool direct = a->path == SETUP_DIRECT;
	char host[300];

	put_preset(out, direct ? "office365-direct" : "office365-connector");
	if (a->host) {
		snprintf(host, sizeof(host), "%s:25", a->host);
		put_value(out, "    hosts: [", host);
		fputs("]\n", out);
	} else {
		put_value(out, "    mx_of: ", a->domain);
		fputc('\n', out);
	}
	if (direct || !a->certificate)
		return;
	put_value(out, "    tls: { mode: verify, certificate: ", a->certificate);
	put_value(out, ", private_key: ", a->private_key);
	fputs(" }\n", out);
}

static void put_account(FILE *out, const struct setup_answers *a)
{
	put_preset(out, "office365-hve");
	put_value(out, "    auth: { mechanism: login, user: ", a->mailboxes);
	put_value(out, ", password_file: ", a->password_file);
	fputs(" }\n    sender: mailbox\n", out);
}

static void put_mailbox(FILE *out, const char *user)
{
	put_value(out, "{ user: ", user);
	fputs(" }\n", out);
}

static void put_pool(FILE *out, const struct setup_answers *a)
{
	put_preset(out, "office365-submission");
	put_value(out, "    oauth:\n      tenant: ", a->tenant);
	put_value(out, "\n      client_id: ", a->client_id);
	put_value(out, "\n      certificate: ", a->certificate);
	put_value(out, "\n      private_key: ", a->private_key);
	fputs("\n    mailboxes:\n", out);
	put_each(out, a->mailboxes, "      - ", "", put_mailbox);
	fputs("    sender: mailbox\n", out);
}

void setup_write_configuration(FILE *out, const struct setup_answers *answers)
{
	put_head(out, answers);
	if (answers->path == SETUP_SUBMISSION)
		put_pool(out, answers);
	else if (answers->path == SETUP_HVE)
		put_account(out, answers);
	else
		put_destination(out, answers);
	if (answers->path != SETUP_DIRECT && answers->path != SETUP_HVE) {
		fputs("routes:\n  - { destination: office365 }\n", out);
		return;
	}
	/* Nobody else's recipients are taken this way: what has no route is refused at once, where it can be seen. */
	fputs("routes: # this way reaches the tenant's own recipients alone\n  - { recipient: ", out);
	fputs("\"*@", out);
	fputs(answers->domain, out);
	fputs("\", destination: office365 }\n", out);
}
