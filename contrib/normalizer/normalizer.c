/* SPDX-License-Identifier: MIT */
/*
 * An example of a program that is slow to start and quick to answer: each line
 * of text that it reads is answered with one line, its normal form. What makes
 * it fit for coprocd: exactly one line for each line, whatever it holds, and a
 * flush behind each.
 */
#include "normalize.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "usage: normalizer [--startup-delay DURATION] STOPWORDS\n"
    "Answer each line of text with its normal form, without the words in the file STOPWORDS.\n"
    "  --startup-delay DURATION  take this long to start: 10 (seconds), 0.5, 250ms, 5s, 2m\n";

static double parse_seconds(const char *text)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"", 1}, {"s", 1}, {"ms", 0.001}, {"m", 60}, {"h", 3600}};
	char *end;
	double n = strtod(text, &end);

	for (size_t i = 0; end != text && i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcmp(end, units[i].unit) && n >= 0 && n * units[i].seconds <= 86400)
			return n * units[i].seconds;
	}
	fprintf(stderr,
		"normalizer: --startup-delay: \"%s\" is not allowed; allowed are 0 to 24h, as 10, "
		"250ms, 5s, 2m\n",
		text);
	exit(64);
}

static void sleep_seconds(double seconds)
{
	struct timespec left = {.tv_sec = (time_t)seconds};

	left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}

/* Pretend to load something big, and say how far it is. */
static void start_slowly(double seconds)
{
	enum { STEPS = 10 };

	for (int i = 1; seconds > 0 && i <= STEPS; i++) {
		sleep_seconds(seconds / STEPS);
		fprintf(stderr, "normalizer: starting, %d %%\n", i * 100 / STEPS);
	}
}

static void load(struct stop_words *stop_words, const char *path)
{
	size_t bad_line;
	int error = stop_words_load(stop_words, path, &bad_line);

	if (!error)
		return;
	if (error == -EILSEQ)
		fprintf(stderr, "normalizer: %s:%zu: not UTF-8\n", path, bad_line);
	else
		fprintf(stderr, "normalizer: %s: %s\n", path, strerror(-error));
	exit(1);
}

static void answer(const struct stop_words *stop_words, const char *line, size_t len)
{
	size_t bad_byte;
	char *text;
	int error = normalize(stop_words, line, len, &text, &bad_byte);

	if (!error) {
		puts(text);
		free(text);
	} else if (error == -EILSEQ) {
		printf("error: invalid UTF-8 at byte %zu\n", bad_byte);
	} else {
		puts("error: out of memory");
	}
	fflush(stdout);
}

static int serve(const struct stop_words *stop_words)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;

	while ((n = getline(&line, &cap, stdin)) >= 0) {
		if (n && line[n - 1] == '\n')
			n--;
		answer(stop_words, line, (size_t)n);
	}
	free(line);
	return ferror(stdin) || ferror(stdout) ? 1 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"startup-delay", required_argument, NULL, 'd'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	struct stop_words stop_words;
	double delay = 0;
	int option, status;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'd') {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 64;
		}
		delay = parse_seconds(optarg);
	}
	if (optind + 1 != argc) {
		fputs(usage, stderr);
		return 64;
	}
	load(&stop_words, argv[optind]);
	start_slowly(delay);
	fprintf(stderr, "normalizer: ready, %zu stop words\n", stop_words.count);
	status = serve(&stop_words);
	stop_words_free(&stop_words);
	return status;
}
