/* Names with values, as keys and costs travel through the layers. Borrowed strings. */
#ifndef BASE_PAIR_H
#define BASE_PAIR_H

struct ration__pair {
	const char *name, *value;
};
struct ration__cost {
	const char *unit; /* "": number of calls */
	double cost;
};

#endif
