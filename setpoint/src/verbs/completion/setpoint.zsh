#compdef setpoint
# Completions of setpoint for zsh. The program says what may stand where the cursor is: a candidate a
# line, what it is behind a tab, and ":files" where names of files may stand too.
_setpoint() {
    local line value about files program="${words[1]}"
    local -a whole begun
    whence -p -- "$program" >/dev/null || program=setpoint
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            files=1
            continue
        fi
        value="${line%%$'\t'*}"
        about="${line#*$'\t'}"
        # More follows at once behind what ends so.
        if [[ $value == *[/=] ]]; then
            begun+=("${value//:/\\:}:$about")
        else
            whole+=("${value//:/\\:}:$about")
        fi
    done < <("$program" __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( ${#whole} )) && _describe setpoint whole
    (( ${#begun} )) && _describe setpoint begun -S ''
    [[ -n $files ]] && _files
    return 0
}
if [[ ${funcstack[1]} == _setpoint ]]; then
    _setpoint "$@"
else
    compdef _setpoint setpoint
fi
