# Completions of setpoint for fish. The program says what may stand where the cursor is: a candidate a
# line, what it is behind a tab, and ":files" where names of files may stand too.
function __setpoint_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    for line in ($program __complete -- $words "$last" 2>/dev/null)
        if test "$line" = ":files"
            __fish_complete_path "$last"
        else
            echo $line
        end
    end
end
complete -c setpoint -f -a '(__setpoint_complete)'
