/* URLs: see http/url.h. Pure functions over text. */
#include <string.h>
#include <strings.h>
#include <ration/error.h>
#include "http/url.h"

static const char hex[] = "0123456789ABCDEF";

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* RFC 3986 2.3 */
static bool is_unreserved(char c)
{
	return is_alpha(c) || is_digit(c) || (c && strchr("-._~", c));
}

bool ration__url_is_absolute(const char *url)
{
	if (!is_alpha(*url))
		return false;
	while (is_alpha(*url) || is_digit(*url) || (*url && strchr("+-.", *url)))
		url++;
	return strncmp(url, "://", 3) == 0;
}

/* A port as digits, 1 .. 65535; none is fine ("host:"). */
static int parse_port(const char *text, size_t length, int *port)
{
	int number = 0;

	if (length == 0)
		return 0;
	for (size_t i = 0; i < length; i++) {
		if (!is_digit(text[i]))
			return RATION_EURL;
		number = number * 10 + (text[i] - '0');
		if (number > 65535)
			return RATION_EURL;
	}
	if (number == 0)
		return RATION_EURL;
	*port = number;
	return 0;
}

/* Length of the host at text, which is length bytes of authority; 0: not a host. */
static size_t host_span(const char *text, size_t length)
{
	size_t n = 0;

	if (length > 0 && text[0] == '[') {
		for (n = 1; n < length && text[n] != ']'; n++)
			if (!is_digit(text[n]) && !is_alpha(text[n]) && !strchr(":.%", text[n]))
				return 0;
		return n < length && n > 1 ? n + 1 : 0;
	}
	/* Whatever could make two readers see different hosts is no host: '@', '\\', '%' … */
	while (n < length && text[n] != ':') {
		if (!is_unreserved(text[n]))
			return 0;
		n++;
	}
	return n;
}

int ration__url_origin(const char *url, struct ration__origin *origin)
{
	struct ration__origin o = {.port = 0};
	size_t scheme, authority;

	if (strncasecmp(url, "http://", 7) == 0) {
		scheme = 7;
		o.port = 80;
	} else if (strncasecmp(url, "https://", 8) == 0) {
		scheme = 8;
		o.port = 443;
		o.tls = true;
	} else {
		return RATION_EURL;
	}
	o.host = url + scheme;
	authority = strcspn(o.host, "/?#");
	o.host_length = host_span(o.host, authority);
	if (o.host_length == 0)
		return RATION_EURL;
	if (o.host_length < authority) {
		if (o.host[o.host_length] != ':')
			return RATION_EURL;
		if (parse_port(o.host + o.host_length + 1, authority - o.host_length - 1, &o.port))
			return RATION_EURL;
	}
	o.length = scheme + authority;
	*origin = o;
	return 0;
}

bool ration__origin_equal(const struct ration__origin *a, const struct ration__origin *b)
{
	return a->tls == b->tls && a->port == b->port && a->host_length == b->host_length &&
	       strncasecmp(a->host, b->host, a->host_length) == 0;
}

int ration__url_check(const char *target, size_t *length)
{
	size_t n = 0;

	for (; target[n] && target[n] != '#'; n++) {
		unsigned char c = (unsigned char)target[n];

		if (c <= ' ' || c == 0x7f)
			return RATION_EURL;
	}
	/* The fragment is dropped, but must not smuggle anything either. */
	for (size_t i = n; target[i]; i++)
		if ((unsigned char)target[i] <= ' ' || target[i] == 0x7f)
			return RATION_EURL;
	*length = n;
	return 0;
}

static void append_encoded(struct ration__buffer *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (is_unreserved(*text)) {
			ration__buffer_putc(out, *text);
			continue;
		}
		ration__buffer_append(out, (const char[3]){'%', hex[c >> 4], hex[c & 15]}, 3);
	}
}

void ration__url_add_query(struct ration__buffer *query, const char *name, const char *value)
{
	if (query->length)
		ration__buffer_putc(query, '&');
	append_encoded(query, name);
	ration__buffer_putc(query, '=');
	append_encoded(query, value);
}
