#!/bin/sh
# The documents and the tree agree: links lead to files, what is shown of an example is the example.
# That the commands run as printed is tested by tests/integration/readme.sh.
. "${srcdir:-.}/tests/checks/lib.sh"
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

for document in README.md doc/*.md doc/internals/*.md; do
	document=$(cd "$top" && ls $document 2>/dev/null) || continue
	for page in $document; do
		for link in $(grep -oE '\]\([^)#]+' "$top/$page" | sed 's/^](//'); do
			case $link in
			http://* | https://*) continue ;;
			esac
			[ -e "$top/$(dirname "$page")/$link" ] || complain "$page: no such file: $link"
		done
	done
done

# block LANGUAGE: the first block of that language in the README
block() {
	awk -v fence="\`\`\`$1" '$0 == "```" { if (inside) exit } inside { print } $0 == fence { inside = 1 }' \
		"$top/README.md"
}
block c >"$work/shown.c"
awk 'past { print } /\*\// { past = 1 }' "$top/doc/examples/send.c" >"$work/send.c"
diff -u "$work/shown.c" "$work/send.c" || complain "README.md does not show doc/examples/send.c"
block yaml >"$work/shown.yaml"
head -n "$(wc -l <"$work/shown.yaml")" "$top/doc/examples/fleet.yaml" >"$work/fleet.yaml"
diff -u "$work/shown.yaml" "$work/fleet.yaml" ||
	complain "README.md does not show how doc/examples/fleet.yaml begins"
[ -s "$work/shown.c" ] && [ -s "$work/shown.yaml" ] || complain "README.md shows no example"

# each public function is in the page about threads
for name in $(cat "$top/tests/checks/symbols.list"); do
	grep -q "\b$name\b" "$top/doc/THREADS.md" || complain "doc/THREADS.md does not name $name"
done
exit $failed
