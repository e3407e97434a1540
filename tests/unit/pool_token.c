/* Tokens by themselves: what files may hold, when they are read again, and who is answered by which
 * call of the provider. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/base64.h"
#include "base/secret.h"
#include "http_leaks.h"
#include "pool/token.h"

TestSuite(pool_token, .fini = check_leaks, .timeout = 60);

static char folder[64], path[128];
static int64_t now_ns = 1;
static char logged[4096];
static struct ration__auth_conf auth;
static struct ration__tokens *tokens;

static int64_t fake_clock(void *arg, enum ration_clock which)
{
	(void)arg;
	(void)which;
	return now_ns;
}

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

static void take_log(void *arg, enum ration_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	pthread_mutex_lock(&log_mutex);
	if (strlen(logged) + strlen(text) + 2 < sizeof(logged))
		strcat(strcat(logged, text), "\n");
	pthread_mutex_unlock(&log_mutex);
}

static void make_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/ration-token-XXXXXX");
	cr_assert(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/token", folder);
}

static void remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

static void put_file(const char *at, const char *text, size_t length)
{
	FILE *file = fopen(at, "w");

	cr_assert(file);
	cr_assert_eq(fwrite(text, 1, length, file), length);
	fclose(file);
	chmod(at, 0600);
}

static void put(const char *text)
{
	put_file(path, text, strlen(text));
}

static int open_tokens(ration_token_fn provider, ration_error **err)
{
	struct ration__tokens_options options = {.service = "api",
		.auth = &auth,
		.provider = provider,
		.log = take_log,
		.log_level = RATION_LOG_DEBUG,
		.clock = {.fn = fake_clock}};

	return ration__tokens_new(&options, &tokens, err);
}

/* ---- secrets in files ---- */

Test(pool_token, a_file_gives_its_first_line_trimmed_or_says_what_is_wrong)
{
	static const struct {
		const char *text;
		int code;
		const char *is;
	} table[] = {
		{"abc", 0, "abc"},
		{"abc\n", 0, "abc"},
		{"  abc\t \r\nsecond\n", 0, "abc"},
		{"a b", 0, "a b"},
		{"", RATION_ECONFIG, "empty"},
		{"\nabc\n", RATION_ECONFIG, "empty"},
		{"  \r\n", RATION_ECONFIG, "empty"},
		{"a\x01"
		 "b",
			RATION_ECONFIG, "control"},
		{"a\x7f", RATION_ECONFIG, "control"},
		{"a\rb", RATION_ECONFIG, "control"},
	};
	struct ration__secret *secret = malloc(sizeof(*secret));
	char *large = malloc(RATION__SECRET_MAX + 1);

	make_folder();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		put(table[i].text);
		cr_expect_eq(ration__secret_read(path, secret), table[i].code, "%zu", i);
		if (table[i].code == 0)
			cr_expect_str_eq(secret->text, table[i].is);
		else
			cr_expect(strstr(secret->why, table[i].is), "%s", secret->why);
	}
	put_file(path, "a\0b", 3);
	cr_expect_eq(ration__secret_read(path, secret), RATION_ECONFIG);
	memset(large, 'x', RATION__SECRET_MAX + 1);
	put_file(path, large, RATION__SECRET_MAX);
	cr_expect_eq(ration__secret_read(path, secret), 0);
	cr_expect_eq(secret->length, RATION__SECRET_MAX);
	put_file(path, large, RATION__SECRET_MAX + 1);
	cr_expect_eq(ration__secret_read(path, secret), RATION_ECONFIG);
	for (size_t i = 0; i < sizeof(secret->text); i++)
		cr_assert_eq(secret->text[i], 0, "what was read of a wrong file stays");
	put("abc");
	cr_expect_eq(ration__secret_read(path, secret), 0);
	cr_expect_not(secret->exposed);
	chmod(path, 0620);
	cr_expect_eq(ration__secret_read(path, secret), 0);
	cr_expect(secret->exposed);
	unlink(path);
	cr_expect_eq(ration__secret_read(path, secret), RATION_ENOFILE);
	cr_expect_eq(mkfifo(path, 0600), 0);
	cr_expect_eq(ration__secret_read(path, secret), RATION_ECONFIG);
	cr_expect_eq(ration__secret_read(folder, secret), RATION_ECONFIG);
	free(secret);
	free(large);
	remove_folder();
}

Test(pool_token, base64_with_every_padding)
{
	static const char *const table[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="},
		{"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"}, {"\xff\xfe\xfd", "//79"}};
	char out[16];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		ration__base64(table[i][0], strlen(table[i][0]), out);
		cr_expect_str_eq(out, table[i][1]);
		cr_expect_eq(strlen(out), ration__base64_length(strlen(table[i][0])));
	}
}

/* ---- tokens that need no asking ---- */

static int take(const char *keys, int key_count, const struct ration__token *rejected,
	struct ration__token **token)
{
	*token = NULL;
	return ration__tokens_get(tokens, keys, (uint8_t)key_count, rejected, NULL, token);
}

/* The value now; "" when there is none. */
static const char *value_now(void)
{
	static char value[256];
	struct ration__token *token;

	value[0] = '\0';
	if (take("", 0, NULL, &token) == 0)
		snprintf(value, sizeof(value), "%s", ration__token_value(token));
	ration__token_unref(token);
	return value;
}

Test(pool_token, E20_static_token_with_header_and_scheme)
{
	ration_error *err = NULL;
	struct ration__token *token;

	cr_assert_eq(open_tokens(NULL, NULL), 0);
	cr_assert_null(tokens, "a service without auth has tokens");
	auth = (struct ration__auth_conf){.bearer = "s3cret"};
	cr_assert_eq(open_tokens(NULL, NULL), 0);
	cr_assert_eq(take("", 0, NULL, &token), 0);
	cr_expect_str_eq(ration__token_header(token), "Authorization");
	cr_expect_str_eq(ration__token_value(token), "Bearer s3cret");
	cr_expect_not(ration__token_again(token));
	ration__token_unref(token);
	ration__tokens_free(tokens);
	auth = (struct ration__auth_conf){.bearer = "s3cret", .header = "X-Api-Key", .scheme = ""};
	cr_assert_eq(open_tokens(NULL, NULL), 0);
	cr_assert_eq(take("", 0, NULL, &token), 0);
	cr_expect_str_eq(ration__token_header(token), "X-Api-Key");
	cr_expect_str_eq(ration__token_value(token), "s3cret");
	ration__token_unref(token);
	ration__tokens_stop(tokens);
	cr_expect_eq(take("", 0, NULL, &token), RATION_ECANCELLED);
	ration__tokens_free(tokens);
	auth = (struct ration__auth_conf){.bearer = "canary\nX-Evil: 1"};
	cr_expect_eq(open_tokens(NULL, &err), RATION_ECONFIG);
	cr_expect_not(strstr(ration_error_text(err), "canary"));
	ration_error_free(err);
}

Test(pool_token, basic_authentication_from_a_file)
{
	ration_error *err = NULL;

	make_folder();
	auth = (struct ration__auth_conf){.basic_file = path, .scheme = "Bearer "};
	put("aladdin:opensesame\n");
	cr_assert_eq(open_tokens(NULL, NULL), 0);
	cr_expect_str_eq(value_now(), "Basic YWxhZGRpbjpvcGVuc2VzYW1l");
	ration__tokens_free(tokens);
	put("canary\n");
	cr_expect_eq(open_tokens(NULL, &err), RATION_ECONFIG);
	cr_expect(strstr(ration_error_text(err), "user:password"));
	cr_expect(strstr(ration_error_text(err), path));
	cr_expect_not(strstr(ration_error_text(err), "canary"));
	ration_error_free(err);
	remove_folder();
}

Test(pool_token, a_file_that_is_missing_or_wrong_is_refused_when_it_is_opened)
{
	static const char *const names[] = {"/a/{b", "/a/b}", "/a/{}", "/a/{b/c}", "/{a{b}}"};
	ration_error *err = NULL;

	make_folder();
	auth = (struct ration__auth_conf){.bearer_file = path};
	cr_expect_eq(open_tokens(NULL, &err), RATION_ENOFILE);
	cr_expect(strstr(ration_error_text(err), path));
	ration_error_free(err);
	err = NULL;
	put("canary\x02");
	cr_expect_eq(open_tokens(NULL, &err), RATION_ECONFIG);
	cr_expect(strstr(ration_error_text(err), "auth.bearer_file"));
	cr_expect_not(strstr(ration_error_text(err), "canary"));
	ration_error_free(err);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		auth.bearer_file = names[i];
		cr_expect_eq(open_tokens(NULL, NULL), RATION_ECONFIG, "%s", names[i]);
	}
	remove_folder();
}

Test(pool_token, a_file_is_read_again_after_a_second)
{
	char other[160];

	make_folder();
	auth = (struct ration__auth_conf){.bearer_file = path};
	put("one\n");
	cr_assert_eq(open_tokens(NULL, NULL), 0);
	cr_expect_str_eq(value_now(), "Bearer one");
	put("two\n"); /* written in place */
	cr_expect_str_eq(value_now(), "Bearer one", "read within the second");
	now_ns += RATION__NS_PER_S;
	cr_expect_str_eq(value_now(), "Bearer two");
	snprintf(other, sizeof(other), "%s/new", folder);
	put_file(other, "three\n", 6);
	cr_assert_eq(rename(other, path), 0);
	now_ns += RATION__NS_PER_S;
	cr_expect_str_eq(value_now(), "Bearer three");
	put_file(other, "four\n", 5); /* a link takes the place of the file */
	unlink(path);
	cr_assert_eq(symlink("new", path), 0);
	now_ns += RATION__NS_PER_S;
	cr_expect_str_eq(value_now(), "Bearer four");
	ration__tokens_free(tokens);
	remove_folder();
}

Test(pool_token, a_file_that_is_wrong_keeps_its_last_token_and_one_that_is_gone_does_not)
{
	make_folder();
	auth = (struct ration__auth_conf){.bearer_file = path};
	put("one\n");
	cr_assert_eq(open_tokens(NULL, NULL), 0);
	cr_expect_str_eq(value_now(), "Bearer one");
	put("");
	for (int i = 0; i < 3; i++) {
		now_ns += RATION__NS_PER_S;
		cr_expect_str_eq(value_now(), "Bearer one");
	}
	cr_expect(strstr(logged, "its last token stays in use"));
	cr_expect_null(strstr(strstr(logged, "its last") + 1, "its last"), "told each time");
	unlink(path);
	now_ns += RATION__NS_PER_S;
	cr_expect_str_eq(value_now(), "");
	cr_expect(strstr(logged, "gives no token"));
	put("two\n");
	now_ns += RATION__NS_PER_S;
	cr_expect_str_eq(value_now(), "Bearer two");
	cr_expect(strstr(logged, "is right again"));
	chmod(path, 0662);
	now_ns += RATION__NS_PER_S;
	cr_expect_str_eq(value_now(), "Bearer two");
	cr_expect(strstr(logged, "may be written by others"));
	cr_expect_null(strstr(logged, "Bearer"));
	ration__tokens_free(tokens);
	remove_folder();
}

Test(pool_token, after_a_401_a_file_is_read_at_once)
{
	struct ration__token *one, *two;

	make_folder();
	auth = (struct ration__auth_conf){.bearer_file = path};
	put("one\n");
	cr_assert_eq(open_tokens(NULL, NULL), 0);
	cr_assert_eq(take("", 0, NULL, &one), 0);
	cr_expect_not(ration__token_again(one), "the file is as it was");
	put("two\n");
	cr_expect(ration__token_again(one));
	cr_assert_eq(take("", 0, one, &two), 0);
	cr_expect_str_eq(ration__token_value(two), "Bearer two");
	cr_expect_not(ration__token_again(two));
	put("three\n");
	ration__token_unref(one);
	cr_assert_eq(take("", 0, two, &one), 0);
	cr_expect_str_eq(ration__token_value(one), "Bearer three", "asked for without _again");
	ration__token_unref(one);
	ration__token_unref(two);
	ration__tokens_free(tokens);
	remove_folder();
}

Test(pool_token, one_file_for_each_value_of_a_key)
{
	static const struct {
		const char *keys;
		int count, code;
	} table[] = {
		{"agent\0x\0tenant\0acme\0", 2, 0},
		{"tenant\0nobody\0", 1, RATION_ETOKEN},
		{"", 0, RATION_EKEY},
		{"tenants\0acme\0", 1, RATION_EKEY},
		{"tenan\0acme\0", 1, RATION_EKEY},
		{"tenant\0\0", 1, RATION_EKEY},
		{"tenant\0../token\0", 1, RATION_EKEY},
		{"tenant\0..\0", 1, RATION_EKEY},
		{"tenant\0.\0", 1, RATION_EKEY},
		{"tenant\0.hidden\0", 1, RATION_EKEY},
		{"tenant\0a/b\0", 1, RATION_EKEY},
		{"tenant\0a..b\0", 1, RATION_EKEY},
		{"tenant\0a\nb\0", 1, RATION_EKEY},
		{"tenant\0a\x7f\0", 1, RATION_EKEY},
	};
	char name[160], at[160], keys[300] = "tenant";
	struct ration__token *token;

	make_folder();
	snprintf(name, sizeof(name), "%s/{tenant}.key", folder);
	snprintf(at, sizeof(at), "%s/acme.key", folder);
	put_file(at, "of-acme", 7);
	put("elsewhere");
	auth = (struct ration__auth_conf){.bearer_file = name};
	cr_assert_eq(open_tokens(NULL, NULL), 0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cr_expect_eq(take(table[i].keys, table[i].count, NULL, &token), table[i].code,
			"row %zu", i);
		if (token)
			cr_expect_str_eq(ration__token_value(token), "Bearer of-acme");
		ration__token_unref(token);
	}
	memset(keys + 7, 'x', 201);
	cr_expect_eq(take(keys, 1, NULL, &token), RATION_EKEY, "201 bytes");
	keys[7 + 200] = '\0';
	cr_expect_eq(take(keys, 1, NULL, &token), RATION_ETOKEN, "200 bytes");
	ration__tokens_free(tokens);
	remove_folder();
}

Test(pool_token, of_many_files_the_last_used_ones_are_kept)
{
	struct ration__token *token, *first, *late;
	char name[160], keys[32] = "k";

	make_folder();
	snprintf(name, sizeof(name), "%s/{k}", folder);
	auth = (struct ration__auth_conf){.bearer_file = name};
	cr_assert_eq(open_tokens(NULL, NULL), 0);
	put_file(path, "x", 1);
	cr_assert_eq(take("k\0token\0", 1, NULL, &first), 0);
	for (int i = 0; i < 3000; i++) {
		sprintf(keys + 2, "%d", i);
		cr_assert_eq(take(keys, 1, NULL, &token), RATION_ETOKEN);
		if (i % 1000)
			continue;
		cr_assert_eq(take("k\0token\0", 1, NULL, &token), 0);
		cr_expect_eq(token == first, true, "it was used within the last 1,024");
		ration__token_unref(token);
	}
	for (int i = 0; i < 1024; i++) {
		sprintf(keys + 2, "z%d", i);
		cr_assert_eq(take(keys, 1, NULL, &token), RATION_ETOKEN);
	}
	cr_assert_eq(take("k\0token\0", 1, NULL, &late), 0);
	cr_expect_neq(late, first, "it was kept all the same");
	cr_expect_str_eq(ration__token_value(late), ration__token_value(first));
	cr_expect_not(ration__token_again(first), "another block, the same token");
	ration__token_unref(first);
	ration__token_unref(late);
	ration__tokens_free(tokens);
	remove_folder();
}

/* ---- the provider ---- */

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	int begun, let, returned; /* calls */
	int rejected;		  /* of them, told of a 401 */
	int together, most;
	int code;
	bool silent; /* sets no token */
} gate = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Waits until as many calls may return as there are. Its token names its values and number. */
static int gated(void *arg, ration_token_ask *ask)
{
	char text[128];
	int number, code;

	(void)arg;
	pthread_mutex_lock(&gate.mutex);
	number = ++gate.begun;
	gate.rejected += ration_token_ask_rejected(ask);
	if (++gate.together > gate.most)
		gate.most = gate.together;
	pthread_cond_broadcast(&gate.changed);
	while (gate.returned >= gate.let)
		pthread_cond_wait(&gate.changed, &gate.mutex);
	gate.returned++;
	gate.together--;
	code = gate.code;
	snprintf(text, sizeof(text), "%s.%s.%s.%d", ration_token_ask_service(ask),
		ration_token_ask_key(ask, "tenant"), ration_token_ask_key(ask, "agent"), number);
	pthread_mutex_unlock(&gate.mutex);
	if (!gate.silent)
		cr_assert_eq(ration_token_ask_set(ask, text), 0);
	return code;
}

static void wait_begun(int count)
{
	pthread_mutex_lock(&gate.mutex);
	while (gate.begun < count)
		pthread_cond_wait(&gate.changed, &gate.mutex);
	pthread_mutex_unlock(&gate.mutex);
}

static void let(int count)
{
	pthread_mutex_lock(&gate.mutex);
	gate.let += count;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.mutex);
}

struct waiter {
	struct ration__token_waiter waiter;
	bool done;
};

static void came(struct ration__token_waiter *waiter)
{
	struct waiter *mine = (struct waiter *)waiter;

	waiter->next = NULL; /* it is ours again */
	pthread_mutex_lock(&gate.mutex);
	mine->done = true;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.mutex);
}

static void ask(struct waiter *waiter, const char *tenant, const struct ration__token *rejected)
{
	struct ration__token *token = NULL;
	char keys[64] = "";
	int length = snprintf(keys, sizeof(keys), "agent%cx%ctenant%c%s", 0, 0, 0, tenant);

	cr_assert_lt(length, (int)sizeof(keys));
	*waiter = (struct waiter){.waiter = {.fn = came}};
	cr_assert_eq(ration__tokens_get(tokens, keys, 2, rejected, &waiter->waiter, &token),
		RATION_EAGAIN);
}

/* Waits for the answer; the token is the caller's. */
static struct ration__token *answer_of(struct waiter *waiter)
{
	pthread_mutex_lock(&gate.mutex);
	while (!waiter->done)
		pthread_cond_wait(&gate.changed, &gate.mutex);
	pthread_mutex_unlock(&gate.mutex);
	return waiter->waiter.token;
}

static void expect(struct waiter *waiter, const char *value)
{
	struct ration__token *token = answer_of(waiter);

	cr_expect_eq(waiter->waiter.code, 0);
	cr_assert(token);
	cr_expect_str_eq(ration__token_value(token), value);
	ration__token_unref(token);
}

Test(pool_token, E20_the_provider_wins_and_is_asked_for_each)
{
	struct waiter w;

	auth = (struct ration__auth_conf){.bearer = "static", .per = NULL};
	cr_assert_eq(open_tokens(gated, NULL), 0);
	let(2);
	ask(&w, "a", NULL);
	expect(&w, "Bearer api...1");
	ask(&w, "b", NULL);
	expect(&w, "Bearer api...2");
	ration__tokens_free(tokens);
}

Test(pool_token, who_comes_while_it_is_asked_gets_the_same_answer)
{
	struct waiter w[10];

	auth = (struct ration__auth_conf){.per = NULL};
	cr_assert_eq(open_tokens(gated, NULL), 0);
	ask(&w[0], "a", NULL);
	wait_begun(1);
	for (int i = 1; i < 10; i++)
		ask(&w[i], "b", NULL);
	let(1);
	for (int i = 0; i < 10; i++)
		expect(&w[i], "Bearer api...1");
	cr_expect_eq(gate.begun, 1);
	ration__tokens_free(tokens);
}

Test(pool_token, values_of_the_keys_in_per_are_asked_for_apart_and_side_by_side)
{
	struct waiter a, a2, b;

	auth = (struct ration__auth_conf){.per = "tenant\0agent\0"};
	cr_assert_eq(open_tokens(gated, NULL), 0);
	ask(&a, "acme", NULL);
	wait_begun(1);
	ask(&b, "bolt", NULL); /* while acme's is slow */
	ask(&a2, "acme", NULL);
	wait_begun(2);
	let(2);
	expect(&a, "Bearer api.acme.x.1");
	expect(&a2, "Bearer api.acme.x.1");
	expect(&b, "Bearer api.bolt.x.2");
	cr_expect_eq(gate.most, 2);
	ration__tokens_free(tokens);
}

Test(pool_token, two_askers_at_once_are_not_left_to_one_thread)
{
	struct waiter w[6];
	char tenant[16];

	auth = (struct ration__auth_conf){.per = "tenant\0"};
	cr_assert_eq(open_tokens(gated, NULL), 0);
	let(1);
	ask(&w[0], "first", NULL); /* one thread is there and idle */
	ration__token_unref(answer_of(&w[0]));
	for (int i = 1; i < 6; i++) {
		sprintf(tenant, "t%d", i);
		ask(&w[i], tenant, NULL);
	}
	wait_begun(5); /* four beside each other; more have to wait */
	let(5);
	for (int i = 1; i < 6; i++)
		ration__token_unref(answer_of(&w[i]));
	cr_expect_eq(gate.most, 4);
	ration__tokens_free(tokens);
}

Test(pool_token, a_rejected_token_is_not_had_again_from_a_call_that_was_not_told)
{
	struct waiter first, stale, late, other;
	struct ration__token *one;

	auth = (struct ration__auth_conf){.per = NULL};
	gate.code = RATION_TOKEN_AGAIN;
	cr_assert_eq(open_tokens(gated, NULL), 0);
	let(1);
	ask(&first, "", NULL);
	one = answer_of(&first);
	cr_expect(ration__token_again(one));
	ask(&other, "", NULL);
	wait_begun(2);
	ask(&stale, "", one); /* the running call may give the same one */
	let(1);
	expect(&other, "Bearer api...2");
	wait_begun(3);
	cr_expect_not(stale.done);
	cr_expect_eq(gate.rejected, 1, "the third call is told");
	let(1);
	expect(&stale, "Bearer api...3");
	/* the one before was rejected, but that is old news */
	let(1);
	ask(&late, "", one);
	expect(&late, "Bearer api...4");
	cr_expect_eq(gate.rejected, 1);
	ration__token_unref(one);
	ration__tokens_free(tokens);
}

Test(pool_token, what_the_provider_does_not_give_is_an_error)
{
	static const int codes[] = {RATION_ENOFILE, RATION_ETIMEOUT, 7, -1000};
	struct waiter w;

	auth = (struct ration__auth_conf){.per = NULL};
	cr_assert_eq(open_tokens(gated, NULL), 0);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		gate.code = codes[i];
		let(1);
		ask(&w, "", NULL);
		cr_expect_null(answer_of(&w));
		cr_expect_eq(w.waiter.code, RATION_ETOKEN);
	}
	cr_expect(strstr(logged, "the token provider gave none: ENOFILE"));
	cr_expect_null(strstr(logged, "ETIMEOUT"), "told each time");
	gate.code = 0;
	gate.silent = true;
	let(1);
	ask(&w, "", NULL);
	cr_expect_null(answer_of(&w));
	cr_expect_eq(w.waiter.code, RATION_ETOKEN);
	ration__tokens_free(tokens);
}

static int picky(void *arg, ration_token_ask *ask)
{
	char *large = malloc((16 << 10) + 2);

	(void)arg;
	memset(large, 'x', (16 << 10) + 1);
	large[(16 << 10) + 1] = '\0';
	cr_expect_eq(ration_token_ask_set(ask, "good"), 0);
	cr_expect_eq(ration_token_ask_set(ask, ""), RATION_EINVAL);
	cr_expect_eq(ration_token_ask_set(ask, NULL), RATION_EINVAL);
	cr_expect_eq(ration_token_ask_set(ask, "a\r\nX-Evil: 1"), RATION_EINVAL);
	cr_expect_eq(ration_token_ask_set(ask, large), RATION_ETOOBIG);
	cr_expect_str_eq(ration_token_ask_key(ask, "none"), "");
	free(large);
	return RATION_TOKEN_OK;
}

Test(pool_token, the_provider_sets_only_what_a_header_may_hold)
{
	struct waiter w;

	auth = (struct ration__auth_conf){.scheme = "Token "};
	cr_assert_eq(open_tokens(picky, NULL), 0);
	ask(&w, "", NULL);
	expect(&w, "Token good");
	ration__tokens_free(tokens);
}

Test(pool_token, cancelling_and_stopping_end_the_wait_while_the_provider_blocks)
{
	struct waiter w[3];
	struct ration__token *token = NULL;

	auth = (struct ration__auth_conf){.per = NULL};
	cr_assert_eq(open_tokens(gated, NULL), 0);
	ask(&w[0], "", NULL);
	wait_begun(1);
	ask(&w[1], "", NULL);
	cr_expect(ration__tokens_cancel(tokens, &w[0].waiter));
	cr_expect_not(ration__tokens_cancel(tokens, &w[0].waiter), "twice");
	ration__tokens_stop(tokens);
	cr_expect(w[1].done);
	cr_expect_eq(w[1].waiter.code, RATION_ECANCELLED);
	cr_expect_not(ration__tokens_cancel(tokens, &w[1].waiter));
	cr_expect_not(w[0].done);
	cr_expect_eq(
		ration__tokens_get(tokens, "", 0, NULL, &w[2].waiter, &token), RATION_ECANCELLED);
	let(1);
	ration__tokens_free(tokens); /* waits for the call */
	cr_expect_eq(gate.returned, 1);
}
