/* Every refusal: its code, a text that names the store, and no trace left. */
#include <sched.h>
#include "store_kit.h"

TestSuite(refuse, .init = kit_setup, .fini = kit_teardown, .timeout = 30);

static int try_open(const struct ration__store_options *options, char *text, size_t size)
{
	struct ration__store *store = NULL;
	ration_error *err = NULL;
	int rc = ration__store_open(options, &store, &err);

	snprintf(text, size, "%s", ration_error_text(err));
	ration_error_free(err);
	ration__store_close(store);
	return rc;
}

static void expect(const struct ration__store_options *options, int code, const char *word)
{
	char text[1024];
	int rc = try_open(options, text, sizeof(text));

	cr_assert_eq(
		rc, code, "%s, not %s (%s)", ration_code_name(rc), ration_code_name(code), text);
	cr_assert(strstr(text, "store"), "\"%s\" names no store", text);
	cr_assert(strstr(text, word), "\"%s\" does not say \"%s\"", text, word);
}

static void patch_gate(off_t at, const void *data, size_t size)
{
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/gate", kit_path);
	fd = open(path, O_RDWR);
	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, data, size, at), (ssize_t)size);
	close(fd);
}

Test(refuse, another_schema)
{
	struct ration__store_options options = kit_options();
	uint32_t schema = RATION__STORE_SCHEMA + 1;

	ration__store_close(kit_open());
	patch_gate(offsetof(struct ration__header, schema), &schema, sizeof(schema));
	expect(&options, RATION_ESCHEMA, "layout 2");
}

Test(refuse, what_is_no_store)
{
	struct ration__store_options options = kit_options();

	ration__store_close(kit_open());
	patch_gate(0, "#!/bin/sh", 9);
	expect(&options, RATION_ESCHEMA, "not a store");
}

Test(refuse, another_abi)
{
	struct ration__store_options options = kit_options();

	ration__store_close(kit_open());
	patch_gate(offsetof(struct ration__header, abi), "pointers of 32 bits", 19);
	expect(&options, RATION_EABI, "pointers of 32 bits");
}

Test(refuse, damaged_stamps)
{
	struct ration__store_options options = kit_options();

	ration__store_close(kit_open());
	patch_gate(offsetof(struct ration__header, stamp_sum), "?", 1);
	expect(&options, RATION_EIO, "damaged");
}

Test(refuse, another_clock)
{
	struct ration__store_options options = kit_options();
	struct ration__store *store = kit_open();

	ration__store_close(store);
	options.clock.fn = kit_clock;
	expect(&options, RATION_ECLOCK, "the system's clock");
	snprintf(kit_path, sizeof(kit_path), "%s/other", kit_dir);
	ration__store_close(kit_open_fake());
	options.clock.fn = NULL;
	expect(&options, RATION_ECLOCK, "injected clock");
}

Test(refuse, another_time_namespace)
{
	struct ration__store_options options = kit_options();
	uint64_t other = 1;

	ration__store_close(kit_open());
	patch_gate(offsetof(struct ration__header, time_namespace), &other, sizeof(other));
	expect(&options, RATION_ECLOCK, "time namespace");
}

Test(refuse, a_clock_behind_the_members)
{
	struct ration__store_options options = kit_options();
	struct kit_peer peer = kit_spawn(kit_member);
	struct ration__store *store;
	int64_t ahead;

	kit_await(&peer);
	store = kit_open();
	ahead = ration__clock_now(&store->clock, RATION_CLOCK_STEADY) + 3600 * RATION__NS_PER_S;
	ration__store_close(store);
	patch_gate(offsetof(struct ration__header, last_now_ns), &ahead, sizeof(ahead));
	expect(&options, RATION_ECLOCK, "behind");
	kit_kill(&peer);
}

Test(refuse, a_directory_that_others_may_write)
{
	struct ration__store_options options = kit_options();

	cr_assert_eq(mkdir(kit_path, 0700), 0);
	cr_assert_eq(chmod(kit_path, 0777), 0);
	expect(&options, RATION_EPERM, "everybody");
	cr_assert_eq(chmod(kit_path, 0770), 0);
	expect(&options, RATION_EPERM, "group");
	cr_assert_eq(chmod(kit_path, 0755), 0);
	ration__store_close(kit_open());
}

Test(refuse, a_foreign_owner)
{
	struct ration__store_options options = kit_options();

	if (geteuid() != 0)
		cr_skip("needs root");
	cr_assert_eq(mkdir(kit_path, 0700), 0);
	cr_assert_eq(chown(kit_path, 12345, 12345), 0);
	expect(&options, RATION_EPERM, "12345");
}

static int opens_as_nobody(void)
{
	struct ration__store_options options = kit_options();
	char text[1024];

	if (setgid(65534) != 0 || setuid(65534) != 0)
		return 1;
	return try_open(&options, text, sizeof(text)) == RATION_EACCESS && strstr(text, kit_path)
		       ? 0
		       : 2;
}

Test(refuse, no_permission)
{
	struct kit_peer peer;

	if (geteuid() != 0)
		cr_skip("needs root");
	ration__store_close(kit_open());
	peer = kit_spawn(opens_as_nobody);
	cr_assert_eq(kit_reap(&peer), 0);
}

Test(refuse, a_full_disk)
{
	struct ration__store_options options = kit_options();
	char hot[400];
	struct stat st;

	options.hot_bytes = UINT64_C(1) << 43;
	expect(&options, RATION_ENOSPC, "no space");
	snprintf(hot, sizeof(hot), "%s/hot/data-1", kit_path);
	cr_assert_neq(stat(hot, &st), 0, "what was allocated is given back");
	ration__store_close(kit_open());
}

Test(refuse, paths)
{
	struct ration__store_options options = kit_options();
	char file[400];
	int fd;

	options.must_exist = true;
	expect(&options, RATION_ENOSTORE, "does not exist");
	cr_assert_eq(mkdir(kit_path, 0700), 0);
	expect(&options, RATION_ENOSTORE, "no store in this directory");
	options.must_exist = false;
	options.path = "";
	expect(&options, RATION_EINVAL, "empty");
	snprintf(file, sizeof(file), "%s/file", kit_dir);
	fd = open(file, O_CREAT | O_RDWR, 0600);
	close(fd);
	options.path = file;
	expect(&options, RATION_ENOSTORE, "Not a directory");
	strcat(file, "/below");
	expect(&options, RATION_ENOSTORE, "ot a directory");
	options = kit_options();
	options.hot_path = "relative";
	expect(&options, RATION_EINVAL, "absolute");
	options = kit_options();
	options.group = "no-such-group-here";
	expect(&options, RATION_EINVAL, "no-such-group-here");
}

Test(refuse, network_file_systems_by_number)
{
	cr_assert_str_eq(ration__network_fs(0x6969), "NFS");
	cr_assert_str_eq(ration__network_fs(0xff534d42), "CIFS");
	cr_assert_str_eq(ration__network_fs(0x01021997), "9p");
	cr_assert_null(ration__network_fs(0xef53), "ext4");
	cr_assert_null(ration__network_fs(0x01021994), "tmpfs");
	cr_assert_null(ration__network_fs(0x794c7630), "overlay");
}

Test(refuse, nothing_when_all_is_well)
{
	struct ration__store_options options = kit_options();
	char deep[400];
	struct stat st;

	snprintf(deep, sizeof(deep), "%s/a/b/c/", kit_dir);
	options.path = deep;
	ration__store_close(kit_open_with(&options));
	snprintf(deep, sizeof(deep), "%s/a", kit_dir);
	cr_assert_eq(stat(deep, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
}

Test(refuse, nobody_of_the_group)
{
	struct ration__store_options options = kit_options();
	struct ration__store *store;
	struct stat st;
	char path[400];

	if (geteuid() != 0)
		cr_skip("needs root");
	options.group = "daemon";
	store = kit_open_with(&options);
	cr_assert_eq(stat(kit_path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 02770);
	snprintf(path, sizeof(path), "%s/gate", kit_path);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0660);
	cr_assert_eq(st.st_gid, store->gid);
	ration__store_close(store);
	options.group = "bin";
	expect(&options, RATION_EPERM, "group bin");
	options.group = NULL;
	expect(&options, RATION_EPERM, "group");
}

Test(refuse, default_path_from_the_environment)
{
	char path[64];

	setenv("RATION_STORE", "/r", 1);
	setenv("XDG_STATE_HOME", "/x", 1);
	setenv("HOME", "/h", 1);
	cr_assert_eq(ration__store_default_path(path, sizeof(path)), 0);
	cr_assert_str_eq(path, "/r");
	setenv("RATION_STORE", "", 1);
	cr_assert_eq(ration__store_default_path(path, sizeof(path)), 0);
	cr_assert_str_eq(path, "/x/ration");
	cr_assert_eq(ration__store_default_path(path, 9), RATION_ETOOBIG);
	setenv("XDG_STATE_HOME", "relative", 1);
	cr_assert_eq(ration__store_default_path(path, sizeof(path)), 0);
	cr_assert_str_eq(path, "/h/.local/state/ration");
	unsetenv("HOME");
	cr_assert_eq(ration__store_default_path(path, sizeof(path)), RATION_ENOSTORE);
}
