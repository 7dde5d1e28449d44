# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Completion of coprocctl for bash: to be sourced, or put in
# /usr/share/bash-completion/completions/coprocctl.

_coprocctl_lines() { # of compgen's options and words
	local line
	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("$line")
	done < <(compgen "$@" -- "$cur")
}

# What may stand behind the option $1; fails if it takes no value.
_coprocctl_value() {
	case $1 in
	-s | --socket | --file)
		compopt -o filenames 2>/dev/null
		_coprocctl_lines -f
		;;
	-t | --timeout | --time | --interval | --time-limit)
		_coprocctl_lines -W '250ms 1s 5s 10s 1m'
		;;
	--clients | --depth | --hello | --request) COMPREPLY=() ;;
	*) return 1 ;;
	esac
}

# The options of the command $1, "" before one is there.
_coprocctl_options() {
	local common='-s --socket -t --timeout --help --version'

	case $1 in
	'') echo "$common --status" ;;
	ask) echo '--json --file --status --' ;;
	repl) echo "$common --status" ;;
	bench) echo "$common --status --clients --depth --time --json" ;;
	status | clients) echo "$common --json" ;;
	top) echo "$common --interval" ;;
	pause | drain | resume | restart | reload | upgrade) echo "$common" ;;
	probe) echo '--hello --request --time-limit --help --' ;;
	esac
}

# The program that probe tries, which starts at the word $1, and its arguments.
_coprocctl_program() {
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	elif [[ $1 -eq $COMP_CWORD ]]; then
		_coprocctl_lines -c
	else
		compopt -o filenames 2>/dev/null
		_coprocctl_lines -f
	fi
}

_coprocctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command='' i rest=0
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket | --file | -t | --timeout | --time | --interval | --time-limit | \
			--clients | --depth | --hello | --request)
			# bash takes --NAME=VALUE for three words.
			[[ ${COMP_WORDS[i + 1]} != = ]] || ((i++))
			((i++))
			;;
		--) rest=$((i + 1)) && break ;;
		-*) ;;
		*)
			[[ -z $command ]] || { rest=$i && break; }
			command=${COMP_WORDS[i]}
			;;
		esac
	done
	[[ $cur != = || $previous != --* ]] || cur=
	if ((rest)); then
		[[ $command != probe ]] || _coprocctl_program "$rest"
	elif [[ $previous == = ]]; then
		_coprocctl_value "${COMP_WORDS[COMP_CWORD - 2]}"
	elif ((i > COMP_CWORD)) || [[ ${COMP_WORDS[COMP_CWORD]} == = ]]; then
		_coprocctl_value "$previous"
	elif [[ $cur == -* ]]; then
		_coprocctl_lines -W "$(_coprocctl_options "$command")"
	elif [[ -z $command ]]; then
		_coprocctl_lines -W 'ask repl bench status clients top pause drain resume restart reload upgrade probe'
	elif [[ $command == probe ]]; then
		_coprocctl_program "$COMP_CWORD"
	fi
}

complete -F _coprocctl coprocctl
