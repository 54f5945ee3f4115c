#!/usr/bin/python3
"""tests/interop/test_postfix.py - Postfix as the smart host: TLS required, client certificates, wrong authorities; the
reports that senders ask for are Postfix's to make."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tls_cases  # noqa: E402
from servers import Postfix, harness, require  # noqa: E402
from harness import Certificates, Client, Workspace, case, check, message  # noqa: E402

require(Postfix)
tls_cases.add(Postfix)


@case
def reports_that_were_asked_for():
    """RFC 3461: by what Postfix reports it has got ENVID, NOTIFY, ORCPT and RET as the client said them."""
    with Workspace() as work:
        certificates = Certificates()
        server = Postfix(work, certificates)
        relay = work.relay(work.configuration([server.host], tls={
            'mode': 'verify', 'ca_file': certificates.ca, 'server_name': certificates.server_name}))
        with Client(relay.address) as client:
            client.hello()
            client.command('MAIL FROM:<sender@example.com> RET=HDRS ENVID=QQ+2B314159', 250)
            client.command('RCPT TO:<told@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;first+2Bone@example.org', 250)
            client.command('RCPT TO:<untold@example.com> NOTIFY=NEVER', 250)
            client.data(message(1, 2000))
        reports = [m for m in server.wait_arrivals(3) if b'report-type=delivery-status' in m]
        check(len(reports) == 1, 'reports: %d', len(reports))
        for line in (b'Original-Envelope-Id: QQ+314159\n', b'Original-Recipient: rfc822;first+one@example.org\n',
                     b'Final-Recipient: rfc822; told@example.com\n', b'Action: delivered\n'):
            check(line in reports[0], 'the report lacks %s: %s', line, reports[0])
        check(b'untold@example.com' not in reports[0], 'who was not to be told of is in the report')
        relay.terminate()


if __name__ == '__main__':
    harness.main()
