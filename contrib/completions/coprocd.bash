# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Completion of coprocd for bash: to be sourced, or put in
# /usr/share/bash-completion/completions/coprocd.

# The words of $1 that start with what has been typed.
_coprocd_words() {
	local word
	COMPREPLY=()
	for word in $1; do
		[[ $word != "$cur"* ]] || COMPREPLY+=("$word")
	done
	# Behind `until:` comes its text, without a blank.
	if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *: ]]; then
		compopt -o nospace 2>/dev/null
	fi
	return 0
}

_coprocd_lines() { # of compgen's options
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("$line")
	done < <(compgen "$@" -- "$cur")
}

# What may stand behind the option $1; fails if it takes no value.
_coprocd_value() {
	case $1 in
	--reply) _coprocd_words 'line lines: until: until-match: prompt: nul sized: probe: channel' ;;
	--end) _coprocd_words 'strip keep' ;;
	--banner) _coprocd_words 'lines: until: until-match: prompt:' ;;
	--ready) _coprocd_words 'start banner probe:' ;;
	--overload) _coprocd_words 'reject wait' ;;
	--request-bytes) _coprocd_words 'text utf8 any' ;;
	--log-level) _coprocd_words 'err warning notice info debug' ;;
	--log-target) _coprocd_words 'auto stderr syslog journal' ;;
	--command | --config | --control | --listen | --pid-file) compopt -o filenames 2>/dev/null; _coprocd_lines -f ;;
	--directory) compopt -o filenames 2>/dev/null; _coprocd_lines -d ;;
	--user | --coprocess-user) _coprocd_lines -u ;;
	--group) _coprocd_lines -g ;;
	--env | --limit-memory | --limit-files | --limit-cpu | --async | --no-reply | --cancel | \
		--health | --health-interval | --window | --workers | --request-timeout | --hang-timeout | \
		--start-timeout | --stop-timeout | --drain-timeout | --restart-delay | --restart-delay-max | \
		--restart-stable | --restart-limit | --retries | --max-requests | --max-age | --max-rss | \
		--max-clients | --client-requests | --client-buffer | --queue | --queue-bytes | \
		--max-request | --max-reply | --forbid | --request-prefix | --request-suffix | --settle | \
		--settle-over | --stderr-rate) COMPREPLY=() ;;
	*) return 1 ;;
	esac
}

# Whether the word $1 needs another one as its value.
_coprocd_takes_value() {
	local COMPREPLY cur=''
	_coprocd_value "$1" 2>/dev/null
}

_coprocd() {
	local cur=${COMP_WORDS[COMP_CWORD]} i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--)
			((i++))
			break
			;;
		=) ;;
		--*)
			[[ ${COMP_WORDS[i + 1]} != = ]] || continue
			_coprocd_takes_value "${COMP_WORDS[i]}" && ((i++))
			;;
		*) [[ ${COMP_WORDS[i - 1]} == = ]] || break ;;
		esac
	done
	# bash takes --NAME=VALUE for three words.
	if [[ $cur == = && ${COMP_WORDS[COMP_CWORD - 1]} == --* ]]; then
		cur=
		_coprocd_value "${COMP_WORDS[COMP_CWORD - 1]}"
	elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == = ]]; then
		_coprocd_value "${COMP_WORDS[COMP_CWORD - 2]}"
	elif ((i < COMP_CWORD)) || [[ ${COMP_WORDS[COMP_CWORD - 1]} == -- ]]; then
		_coprocd_command "$i"
	elif ((i > COMP_CWORD)); then
		_coprocd_value "${COMP_WORDS[COMP_CWORD - 1]}"
	elif [[ $cur == -* ]]; then
		_coprocd_words "
			--command --listen --control --env --clear-env --directory --coprocess-user --limit-memory
			--limit-files --limit-cpu --no-new-privileges --line-buffered --pty --reply --end --async
			--no-reply --cancel --health --health-interval --banner --ready --window --workers
			--request-timeout --hang-timeout --start-timeout --stop-timeout --drain-timeout
			--restart-delay --restart-delay-max --restart-stable --restart-limit --retries --max-requests
			--max-age --max-rss --max-clients --client-requests --client-buffer --queue --queue-bytes
			--overload --max-request --max-reply --request-bytes --forbid --request-prefix
			--request-suffix --settle --settle-over --stderr-rate --user --group --daemonize --pid-file
			--exit-on-failure --log-level --log-target --config --check-config --upgrade-format --help
			--version"
	else
		_coprocd_command "$i"
	fi
}

# The program that is kept running, which starts at the word $1, and its arguments.
_coprocd_command() {
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	elif [[ $1 -eq $COMP_CWORD ]]; then
		_coprocd_lines -c
	else
		compopt -o filenames 2>/dev/null
		_coprocd_lines -f
	fi
}

complete -F _coprocd coprocd
