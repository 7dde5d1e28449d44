/* SPDX-License-Identifier: MIT */
#include "probe_known.h"

#include "macros.h"

#include <string.h>

#define SPELLER(program)                                                                           \
	{                                                                                          \
		.name = program, .argument = "-a", .recipe = "hunspell",                           \
		.requests = {"hello", "helo wrld", "a good word"}, .prefix = "^",                  \
		.writes_home = true,                                                               \
		.note = "The ^ makes each request text to look at, never a command such as *word " \
			"or !. Offsets in replies count it."                                       \
	}

#define SQUID(program, one, two)                                                                   \
	{                                                                                          \
		.name = program, .requests = { one, two }                                          \
	}

#define AWK(program, way)                                                                          \
	{                                                                                          \
		.name = program, .requests = {"hello world", "1 2 3", "a b"}, .cure = way,         \
		.note = "A program that calls fflush() after each print needs no cure."            \
	}

static const struct probe_known table[] = {
    SPELLER("hunspell"),
    SPELLER("aspell"),
    SPELLER("ispell"),
    SPELLER("enchant-2"),
    {
	.name = "mecab",
	.requests = {"すもももももももものうち", "東京に住む", "hello"},
    },
    {
	.name = "bc",
	.requests = {"1+1", "x = 5", "1/0", "2^300", "1; 2"},
	.reply = "probe:\\n\":%n:\\n\"=>:%n:",
	.recipe = "bc",
	.env = "BC_LINE_LENGTH=0",
	.head = "1",
	.unit = "+1",
	.tail = "",
	.forbid = {"\\b(read|quit|halt|while|for)\\b", "/\\*|[\"{}\\\\]", "\\b(i|o)base|scale *="},
	.note = "Refused is what ends bc, hangs it, reads the next request, or would swallow "
		"the mark behind the request. Variables are shared by all clients.",
    },
    {
	.name = "dc",
	.requests = {"1 1+p", "5 sx", "2 300^p", "y"},
	.reply = "probe:[:%n:\\n]P=>:%n:",
	.recipe = "dc",
	.env = "DC_LINE_LENGTH=0",
	.head = "1",
	.unit = " 1+",
	.tail = "p",
	.forbid = {"[!?q]", "[][]"},
	.note = "Refused are shell commands (!), what reads the next request (?) or ends dc "
		"(q), and strings. The stack is shared by all clients.",
    },
    {
	.name = "sqlite3",
	.requests = {"select 1+1;", "values (1), (2);", "select 1 where 0;", "select 'a' || 'b';"},
	.reply = "probe:;\\n.print :%n:=>:%n:",
	.recipe = "sqlite3",
	.head = "select '",
	.unit = "x",
	.tail = "';",
	.forbid = {"^\\s*\\.", "/\\*|\"", "^[^']*'([^']*'[^']*')*[^']*$"},
	.writes_home = true,
	.note = "Refused are dot commands (.shell runs programs), comments, and quotes left open, "
		"which would swallow the mark behind the request.",
    },
    {
	.name = "jq",
	.requests = {"{\"a\": 1}", "[1, 2]", "\"x\""},
	.cure = "--unbuffered",
	.head = "\"",
	.unit = "x",
	.tail = "\"",
	.note = "jq ends at a line that is not JSON, and answers one with two values twice; "
		"jq -R 'try fromjson catch .' (with -c) answers every line once.",
    },
    {.name = "sed", .requests = {"hello", "hello world", "1 2 3"}, .cure = "-u"},
    {.name = "grep",
     .requests = {"hello", "hello world", "1 2 3"},
     .cure = "--line-buffered",
     .note = "A line that does not match has no reply: grep is no good coprocess."},
    AWK("mawk", "-Winteractive"),
    AWK("awk", "-Winteractive"),
    AWK("gawk", NULL),
    {
	.name = "git",
	.argument = "--batch-check",
	.requests = {"HEAD", "HEAD^{tree}", "no-such-object"},
	.needs_directory = true,
    },
    {
	.name = "git",
	.argument = "--batch-command",
	.requests = {"info HEAD", "info HEAD^{tree}", "contents HEAD"},
	.needs_directory = true,
	.head = "info ",
	.unit = "x",
	.tail = "",
	.forbid = {"^(?!(info|contents) \\S)"},
	.note = "Any other command ends git.",
    },
    {
	.name = "git",
	.argument = "--batch",
	.requests = {"HEAD", "HEAD^{tree}", "no-such-object"},
	.needs_directory = true,
    },
    {.name = "git", .requests = {"HEAD", "README", "hello"}, .needs_directory = true},
    {
	.name = "exiftool",
	.argument = "-stay_open",
	.requests = {"-ver", "-echo\nhello", "-ver\n-s3"},
	.reply = "probe:-execute%n=>{ready%n}",
	.request_end = "-execute",
	.recipe = "exiftool",
	.head = "-echo\n",
	.unit = "x",
	.tail = "",
	.forbid = {"(?m)^-(stay_open|execute|@|config|o|out|w|textout|tagout|if|p|printformat)",
		   "(?m)^-[^-\\s][^\\s]*[<=]", "(?m)^-(delete|overwrite|restore)"},
	.note = "Refused is what ends a request early, runs code, or writes to files.",
    },
    {
	.name = "gnugo",
	.argument = "gtp",
	.recipe = "gnugo",
	.requests = {"name", "protocol_version", "showboard", "nonsense"},
	.no_reply = "^\\s*(\\d+\\s*)?(#.*)?$",
	.forbid = {"^\\s*\\d*\\s*quit\\b", "^\\s*\\d*\\s*(loadsgf|printsgf)"},
	.note = "The position is shared by all clients.",
    },
    {
	.name = "stockfish",
	.requests = {"position startpos\ngo depth 5", "isready", "uci"},
	.reply = "until-match:^(uciok|readyok|bestmove .*)$",
	.ready = "probe:isready=>readyok",
	.async = "^info\\b",
	.cancel = "stop\\n",
	.request_end = "",
	.recipe = "stockfish",
	.head = "position startpos moves ",
	.unit = "e2e4 ",
	.tail = "\nisready",
	.no_reply = "^$|(^|\\n)(position [^\\n]*|ucinewgame)\\n?$",
	.forbid =
	    {"(?m)^(?!(uci|isready|ucinewgame|position (startpos|fen [1-8pnbrqkPNBRQK/]+ [wb] "
	     "\\S+ \\S+( \\d+ \\d+)?)( moves( [a-h1-8qrbn]+)+)?|"
	     "go (?!.*(infinite|ponder)).*(depth|movetime|nodes) \\d.*)$)",
	     "(^|\\n)(uci|isready|go [^\\n]*)\\n+[^\\n]"},
	.note = "One request holds the position and the search; anything else, which may have no "
		"reply or no end, is refused.",
    },
    {
	.name = "gdb",
	.argument = "--interpreter=mi",
	.recipe = "gdb",
	.requests = {"-gdb-version", "-list-features", "7-gdb-show confirm"},
	.forbid = {"^(?!\\d*-)", "^\\d*-(interpreter-exec|gdb-exit|target|exec|file|environment)"},
	.note = "Refused is what is no MI command (shell runs programs).",
	.writes_home = true,
    },
    {
	.name = "octave",
	.requests = {"1+1", "x = 5;", "disp(pi)"},
	.reply = "probe:disp(\":%n:\")=>:%n:",
	.recipe = "octave",
	.head = "1",
	.unit = "+1",
	.tail = "",
	.forbid = {"\\b(system|shell_cmd|exec|popen2?|unix|dos|exit|quit|input|keyboard)\\b",
		   "\\b(for|while|if|function|switch|do|unwind_protect|try|parfor)\\b|[{\\[(]\\s*$|"
		   "\\.\\.\\."},
	.writes_home = true,
	.note = "Refused is what runs programs, reads the next request, or is no whole statement. "
		"An error ends octave, which is then started again.",
    },
    {
	.name = "octave-cli",
	.requests = {"1+1", "x = 5;", "disp(pi)"},
	.reply = "probe:disp(\":%n:\")=>:%n:",
	.recipe = "octave",
	.head = "1",
	.unit = "+1",
	.tail = "",
	.forbid = {"\\b(system|shell_cmd|exec|popen2?|unix|dos|exit|quit|input|keyboard)\\b",
		   "\\b(for|while|if|function|switch|do|unwind_protect|try|parfor)\\b|[{\\[(]\\s*$|"
		   "\\.\\.\\."},
	.writes_home = true,
	.note = "Refused is what runs programs, reads the next request, or is no whole statement. "
		"An error ends octave, which is then started again.",
    },
    {
	.name = "R",
	.requests = {"1+1", "x <- 5", "print(pi)"},
	.reply = "probe:cat(\"%n\\\\n\")=>%n",
	.head = "1",
	.unit = "+1",
	.tail = "",
	.forbid = {"\\b(system2?|shell|q|quit|readline|readLines|scan|source|eval)\\s*\\("},
	.writes_home = true,
	.note = "An error ends R, which is then started again.",
    },
    {
	.name = "python3",
	.argument = "-i",
	.requests = {"1+1", "x = 5", "print('a')", "1/0"},
	.reply = "probe:\\nprint(\"%n\")=>%n",
	.cure = "PYTHONUNBUFFERED=1",
	.head = "1",
	.unit = "+1",
	.tail = "",
	.note = "Clients run any code; open brackets and triple quotes swallow the mark.",
    },
    {.name = "python3", .requests = {"hello", "hello world", "42"}, .cure = "PYTHONUNBUFFERED=1"},
    {.name = "perl",
     .requests = {"hello", "hello world", "42"},
     .cure = "PERLIO=:unix",
     .note = "In a script of your own, $| = 1 is the cure."},
    {
	.name = "link-parser",
	.requests = {"This is a test.", "Dogs bark.", "Foo bar."},
	.recipe = "link-parser",
	.reply = "probe:!debug=%n=>debug set to %n",
	.unit = "dogs ",
	.forbid = {"^\\s*!"},
	.note = "Refused are commands (!), which would change the settings for all clients.",
    },
    {
	.name = "lt-proc",
	.argument = "-z",
	.requests = {"house", "houses", "the cats"},
	.reply = "nul",
	.recipe = "lt-proc",
	.suffix = "[][\\n]\\0",
	.forbid = {"[][{}^$\\\\@<>/]"},
	.note = "The blank that the suffix adds makes lt-proc give its reply at once. "
		"Unescaped stream characters would end it.",
    },
    {
	.name = "z3",
	.argument = "-in",
	.requests = {"(simplify (+ 1 1))", "(push)", "(check-sat)"},
	.reply = "probe:(echo \"%n\")=>%n",
	.head = "(simplify (+ 1",
	.unit = " 1",
	.tail = "))",
	.note = "An open bracket swallows the mark.",
    },
    {
	.name = "gp",
	.requests = {"1+1", "x = 5;", "2^300"},
	.reply = "probe:print(\"%n\")=>%n",
	.head = "1",
	.unit = "+1",
	.tail = "",
	.forbid = {"\\b(system|extern|quit|input|read|write)", "^\\s*[\\\\?{]", "\""},
    },
    {.name = "url_fake_rewrite",
     .requests = {"http://a.example/", "http://b.example/"},
     .reply = "channel"},
    {.name = "storeid_file_rewrite",
     .requests = {"http://a.example/", "http://b.example/"},
     .reply = "channel"},
    SQUID("basic_ncsa_auth", "user password", "root toor"),
    SQUID("basic_fake_auth", "user password", "root toor"),
    SQUID("ext_unix_group_acl", "root root", "nobody root"),
    SQUID("ext_file_userip_acl", "10.0.0.1 user", "127.0.0.1 root"),
    {.requests = {"hello", "hello world", "42", "{\"a\": 1}"}}, /* all others */
};

/* What starts the word that stands behind its own options. */
static bool is_wrapper(const char *name)
{
	return !strcmp(name, "env") || !strcmp(name, "stdbuf") || !strcmp(name, "nohup") ||
	       !strcmp(name, "setsid");
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

size_t probe_known_word(char *const *argv)
{
	size_t i = 0;

	while (is_wrapper(name_of(argv[i]))) {
		do
			i++;
		while (argv[i] && (*argv[i] == '-' || strchr(argv[i], '=')));
		if (!argv[i])
			return 0;
	}
	return i;
}

static bool has_argument(char *const *argv, const char *start)
{
	for (char *const *arg = argv + 1; *arg; arg++)
		if (!strncmp(*arg, start, strlen(start)))
			return true;
	return false;
}

const struct probe_known *probe_known(char *const *argv)
{
	char *const *words = argv + probe_known_word(argv);
	const struct probe_known *k = table;

	for (; k->name; k++)
		if (!strcmp(k->name, name_of(words[0])) &&
		    (!k->argument || has_argument(words, k->argument)))
			break;
	return k;
}
