/* See http_peer.h. */
#include "http_peer.h"
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char script[] =
	"set -e; cd \"$1\"\n"
	"new() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $1.key; }\n"
	"for a in ca other; do\n"
	"	new $a; openssl req -x509 -new -key $a.key -subj /CN=$a -days 2 -out $a.pem\n"
	"done\n"
	"sign() { new $1; openssl req -new -key $1.key -subj /CN=$1 -out $1.csr\n"
	"	printf '%s\\n' \"$2\" >$1.ext\n"
	"	openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -days 2 -extfile $1.ext "
	"-out $1.pem 2>/dev/null; }\n"
	"sign server subjectAltName=DNS:localhost,IP:127.0.0.1\n"
	"sign alice extendedKeyUsage=clientAuth\n"
	"sign bob extendedKeyUsage=clientAuth\n"
	"echo open-sesame >password; echo guess >wrong; : >empty\n"
	"openssl pkey -in alice.key -aes256 -passout file:password -out sealed.key\n"
	"mkdir cas; cp ca.pem cas; openssl rehash cas\n"
	"echo hello >index.html; echo hello >hello\n";

static void run(const char *text, const char *argument)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", text, "sh", argument, (char *)NULL);
		_exit(127);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0, "%s", argument);
}

static void need(const char *program)
{
	char command[128];

	snprintf(command, sizeof(command), "command -v %s >/dev/null", program);
	if (system(command) == 0)
		return;
	cr_assert_null(getenv("RATION_CHECK_ALL"), "%s is not installed", program);
	cr_skip_test("%s is not installed", program);
}

void kit_init(struct kit *kit)
{
	need("openssl");
	snprintf(kit->folder, sizeof(kit->folder), "/tmp/ration-kit.XXXXXX");
	cr_assert_not_null(mkdtemp(kit->folder));
	run(script, kit->folder);
}

void kit_fini(struct kit *kit)
{
	run("rm -r \"$1\"", kit->folder);
}

const char *kit_path(const struct kit *kit, const char *name)
{
	static char paths[256][128];
	static unsigned next;
	char *path = paths[next++ % 256];

	snprintf(path, sizeof(paths[0]), "%s/%s", kit->folder, name);
	return path;
}

static int connect_to(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = connect(fd, (struct sockaddr *)&address, sizeof(address));

	close(fd);
	return rc;
}

static int free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(bind(fd, (struct sockaddr *)&address, length), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void start(struct peer *peer, const char *const *argv)
{
	peer->pid = fork();
	if (peer->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	for (int i = 0; i < 1000; i++) {
		if (connect_to(peer->port) == 0)
			return;
		cr_assert_eq(waitpid(peer->pid, NULL, WNOHANG), 0, "%s ended", argv[0]);
		usleep(10000);
	}
	cr_assert_fail("%s does not listen", argv[0]);
}

void peer_nginx(struct peer *peer, const struct kit *kit, const char *options, const char *server)
{
	char conf[128], log[160];
	const char *argv[] = {"nginx", "-p", kit->folder, "-e", log, "-c", conf, NULL};

	need("nginx");
	peer->port = free_port();
	snprintf(conf, sizeof(conf), "%s/nginx-%d.conf", kit->folder, peer->port);
	snprintf(log, sizeof(log), "%s/error-%d.log", kit->folder, peer->port);
	FILE *file = fopen(conf, "w");

	cr_assert_not_null(file);
	fprintf(file,
		"daemon off;\nmaster_process off;\npid nginx-%d.pid;\nerror_log %s warn;\n"
		"events { worker_connections 1024; }\n"
		"http {\n access_log off;\n default_type text/plain;\n"
		" client_body_temp_path b%d; proxy_temp_path p%d; fastcgi_temp_path f%d;\n"
		" uwsgi_temp_path u%d; scgi_temp_path s%d;\n"
		" keepalive_requests 1000000;\n"
		" server {\n  listen 127.0.0.1:%d %s;\n  listen 127.0.0.2:%d %s;\n"
		"  ssl_certificate server.pem;\n  ssl_certificate_key server.key;\n"
		"  %s\n }\n}\n",
		peer->port, log, peer->port, peer->port, peer->port, peer->port, peer->port,
		peer->port, options, peer->port, options, server);
	cr_assert_eq(fclose(file), 0);
	start(peer, argv);
}

void peer_nghttpd(struct peer *peer, const struct kit *kit, int tls)
{
	char port[16], key[128], cert[128];
	const char *clear[] = {
		"nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", kit->folder, port, NULL};
	const char *sealed[] = {
		"nghttpd", "-a", "127.0.0.1", "-d", kit->folder, port, key, cert, NULL};

	need("nghttpd");
	peer->port = free_port();
	snprintf(port, sizeof(port), "%d", peer->port);
	snprintf(key, sizeof(key), "%s/server.key", kit->folder);
	snprintf(cert, sizeof(cert), "%s/server.pem", kit->folder);
	start(peer, tls ? sealed : clear);
}

void peer_stop(struct peer *peer)
{
	kill(peer->pid, SIGKILL);
	waitpid(peer->pid, NULL, 0);
}
