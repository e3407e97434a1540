#!/bin/sh
# What only few files may know: policies know nothing but arithmetic, libcurl and LMDB each have one
# folder, and the library neither prints, nor exits, nor touches signals or the environment.
. "${srcdir:-.}/tests/checks/lib.sh"

includes() { sed -n 's/^[ \t]*#[ \t]*include[ \t]*["<]\([^">]*\)[">].*/\1/p' "$1"; }

for file in "$top"/src/policy/*.[ch]; do
	for included in $(includes "$file"); do
		case $included in
		policy/* | base/* | ration/error.h | ration/guard.h) ;;
		assert.h | stdbool.h | stddef.h | stdint.h | string.h | math.h | limits.h) ;;
		*) complain "${file#"$top"/} includes $included: policies are pure" ;;
		esac
	done
	# not even through base
	calls=$(grep -nE '\b(ration__clock_|clock_gettime\(|time\(|malloc\(|calloc\(|realloc\(|free\(|rand\(|random\()' \
		"$file") && complain "${file#"$top"/} is not pure: $calls"
done
for file in "$top"/src/*/*.[ch]; do
	name=${file#"$top"/src/}
	for included in $(includes "$file"); do
		case $included:$name in
		curl/*:http/multi.* | curl/*:http/transfer.* | curl/*:http/sockets.* | curl/*:http/curlcode.*) ;;
		curl/*) complain "src/$name includes $included: only http's transfers know libcurl" ;;
		lmdb.h:store/*) ;;
		lmdb.h:*) complain "src/$name includes lmdb.h: only store knows LMDB" ;;
		esac
	done
	case $name in
	cli/* | testserver/*) continue ;;
	esac
	calls=$(grep -nE '(^|[^_a-z])(printf|puts|perror|exit|abort|signal|sigaction|setenv|putenv|unsetenv|setlocale)\(' \
		"$file" | grep -vE '^[0-9]+:[ \t]*(/?\*|//)') &&
		complain "src/$name: a library does not do that: $calls"
done
exit $failed
