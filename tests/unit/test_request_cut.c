/*
 * tests/unit/test_request_cut.c - core/control/request.c: who has only ended his direction is still there to be
 * answered; whose connection was ended on this side is not.
 */
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/control/request.h"
#include "tests/unit/check.h"

static bool was_gone, cut_before, cut_after;

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *data, size_t *length, void **own)
{
	const struct control_request request = {.connection = connection};
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	while (!request_gone(&request))
		usleep(1000);
	was_gone = true;
	cut_before = request_cut(&request);
	(void)shutdown(info->connect_fd, SHUT_RDWR);
	cut_after = request_cut(&request);
	return MHD_NO;
}

static void test_half_and_whole(void)
{
	static const char asks[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	struct MHD_Daemon *daemon;
	char text[64];

	CHECK(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 1) == 0 &&
	      getsockname(fd, (struct sockaddr *)&at, &length) == 0);
	daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0,
				  NULL, NULL, on_request, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_END);
	CHECK(daemon && connect(client, (struct sockaddr *)&at, sizeof(at)) == 0);
	CHECK_EQ(write(client, asks, sizeof(asks) - 1), sizeof(asks) - 1);
	CHECK(shutdown(client, SHUT_WR) == 0);
	CHECK_EQ(read(client, text, sizeof(text)), 0);
	close(client);
	if (daemon)
		MHD_stop_daemon(daemon);
	CHECK(was_gone);
	CHECK(!cut_before);
	CHECK(cut_after);
}

int main(void)
{
	RUN(test_half_and_whole);
	return check_end();
}
