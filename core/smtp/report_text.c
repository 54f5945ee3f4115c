/*
 * core/smtp/report_text.c - what a report's status is, and what it means in words for who sent the message.
 */
#include "core/smtp/enhanced.h"
#include "core/smtp/report.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

uint32_t report_status(enum report_action action, unsigned code, struct span text)
{
	unsigned class = action == REPORT_RELAYED ? 2 : action == REPORT_DELAYED || code < 500 ? 4 : 5;
	unsigned said =
		text.length >= 5 && is_digit(text.data[0]) && text.data[1] == '.' ? (unsigned)text.data[0] - '0' : 0;
	uint32_t enhanced = 0;

	/* A reason of our own has no code and may begin with a status. */
	if (code == 0 && (said == class || said == 5))
		enhanced = smtp_enhanced_code(100 * said, text);
	else if (code / 100 == class)
		enhanced = smtp_enhanced_code(code, text);
	if (enhanced && (class != 4 || action == REPORT_DELAYED || smtp_enhanced_class(enhanced) == 5))
		return enhanced;
	if (action == REPORT_FAILED && class == 4)
		return SMTP_ENHANCED(4, 4, 7);
	return SMTP_ENHANCED(class, 0, 0);
}

struct meaning {
	uint16_t subject, detail; /* ANY: whatever it is */
	const char *text;
};
enum { ANY = UINT16_MAX };

/* RFC 3463 3, and the registry's later codes. Those that fit more exactly come first. */
static const struct meaning failures[] = {
	{1, 2, "The part of the address behind the @ is not known, or takes no mail. Check how it is written."},
	{1, 3, "The address is not written as the receiving side understands it."},
	{1, 6, "Whoever had this address has moved, and has left no other one."},
	{1, 8, "The receiving side does not accept your own address as the sender of mail."},
	{1, 7, "The receiving side does not accept your own address as the sender of mail."},
	{1, 10, "The domain of this address takes no mail at all."},
	{1, ANY, "There is no such address there. Check how it is written; the mailbox may also be gone."},
	{2, 1, "This mailbox is closed and takes no mail. Ask the recipient in another way."},
	{2, 2, "The recipient's mailbox is full. Ask the recipient in another way to make room, then send it again."},
	{2, 3, "The message is too large for this mailbox. Send it smaller, or in another way."},
	{2, ANY, "The recipient's mailbox does not take it."},
	{3, 4, "The message is too large for the receiving side. Send it smaller, or in another way."},
	{3, ANY, "The receiving mail system cannot take this message."},
	{4, 6,
	 "The message went round in circles between mail servers: the recipient's mail is forwarded to where it "
	 "came from. Its administrator has to mend that."},
	{4, 7,
	 "It was tried again and again, and the time for that is over. If it still matters, send it again, or ask "
	 "the recipient in another way."},
	{4, ANY, "The receiving mail server could not be reached."},
	{6, 7,
	 "The address has letters that the receiving mail server does not understand. Use another address of this "
	 "recipient."},
	{6, ANY, "The receiving mail server cannot take what is in the message as it is."},
	{7, 10,
	 "The message may go only where it is protected on the way, and the receiving side does not offer that."},
	{7, 30,
	 "The message may go only where it is protected on the way, and the receiving side does not offer that."},
	{7, ANY,
	 "The receiving side refuses the message by its own rules; the answer below may say which. Its "
	 "administrator can tell more."},
	{ANY, ANY, "The receiving side refuses it; the answer below may say why."},
};

const char *report_sentence(enum report_action action, uint32_t status)
{
	size_t i = 0;

	if (action == REPORT_DELAYED)
		return "It is tried again by itself, again and again. You need not send it a second time.";
	if (action == REPORT_RELAYED)
		return "It was handed to the next mail server, which does not tell when a message arrives. Unless you "
		       "hear otherwise, it is on its way, or there.";
	while ((failures[i].subject != ANY && failures[i].subject != smtp_enhanced_subject(status)) ||
	       (failures[i].detail != ANY && failures[i].detail != smtp_enhanced_detail(status)))
		i++;
	return failures[i].text;
}
