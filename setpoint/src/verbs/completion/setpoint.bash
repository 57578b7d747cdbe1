# Completions of setpoint for bash. The program says what may stand where the cursor is: a candidate a
# line, what it is behind a tab, and ":files" where names of files may stand too.
_setpoint() {
    local line program="${COMP_WORDS[0]}"
    type -P -- "$program" >/dev/null || program=setpoint
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            compopt -o default 2>/dev/null
        else
            COMPREPLY+=("${line%%$'\t'*}")
        fi
    done < <("$program" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    # More follows at once behind what ends so.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[/=] ]]; then
        compopt -o nospace 2>/dev/null
    fi
    return 0
}
complete -F _setpoint setpoint
