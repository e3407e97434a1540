#!/bin/sh
# After `make install`: pkg-config finds the library, an example builds against it and runs, the
# programs start. Run by `make installcheck`, with bindir, libdir and CC.
. "${srcdir:-.}/tests/checks/lib.sh"
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
RATION_STORE=$work/store
PKG_CONFIG_PATH=$libdir/pkgconfig
LD_LIBRARY_PATH=$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export RATION_STORE PKG_CONFIG_PATH LD_LIBRARY_PATH

cp "$top/doc/examples/guard.c" "$top/doc/examples/fleet.yaml" "$work" && cd "$work" || exit 99
version=$(pkg-config --modversion libration) || complain "pkg-config does not find libration"
# shellcheck disable=SC2046,SC2086
$CC guard.c -o guard $(pkg-config --cflags --libs libration) ||
	complain "an example does not build against what was installed"
said=$(./guard) || complain "the example does not run"
[ "$said" = "the report runs" ] || complain "the example says '$said'"
[ "$("$bindir/ration" --version)" = "ration $version" ] || complain "ration is not of version $version"
[ ! -e "$bindir/ration-testserver" ] || "$bindir/ration-testserver" --version >/dev/null ||
	complain "ration-testserver does not start"
exit $failed
