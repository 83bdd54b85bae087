/// What shells complete, made of the verbs and their options.
enum Completions {
    private static var verbs: [String] { Verb.allCases.map(\.rawValue) }

    /// Whether the verb's first argument is the name of a plugin.
    private static func takesName(_ verb: Verb) -> Bool {
        verb.arguments.first == "NAME" || verb.arguments.first == "[NAME]"
    }

    static var bash: String {
        let cases = Verb.allCases.map { verb in
            "    \(verb.rawValue)) words=\"\(verb.options.map(\.name).joined(separator: " "))\""
                + (takesName(verb) ? " names=1" : "") + " ;;"
        }
        return """
            # bash completion of host
            _host() {
              local word=${COMP_WORDS[COMP_CWORD]} words= names=
              if [ "$COMP_CWORD" -eq 1 ]; then
                COMPREPLY=($(compgen -W "\(verbs.joined(separator: " "))" -- "$word"))
                return
              fi
              case ${COMP_WORDS[1]} in
            \(cases.joined(separator: "\n"))
              esac
              if [ "${word:0:1}" = - ]; then
                COMPREPLY=($(compgen -W "$words" -- "$word"))
              elif [ -n "$names" ]; then
                COMPREPLY=($(compgen -W "$(host list 2>/dev/null | sed '1d;s/ .*//')" -- "$word"))
              else
                COMPREPLY=($(compgen -f -- "$word"))
              fi
            }
            complete -o filenames -F _host host

            """
    }

    static var zsh: String {
        let described = Verb.allCases.map { "    '\($0.rawValue):\(quoted($0.summary))'" }
        let cases = Verb.allCases.map { verb in
            let options = verb.options.map { option in
                let value = option.value.map { ":\($0):_files" } ?? ""
                return "'\(option.mayRepeat ? "*" : "")\(option.name)"
                    + "[\(quoted(option.meaning))]\(quoted(value))'"
            }
            let rest = takesName(verb) ? "'*:plugin:_host_plugins'" : "'*:file:_files'"
            return "    \(verb.rawValue)) _arguments "
                + (options + [rest]).joined(separator: " ") + " ;;"
        }
        return """
            #compdef host
            _host_plugins() {
              local -a names
              names=(${(f)"$(host list 2>/dev/null | sed '1d;s/ .*//')"})
              compadd -a names
            }
            _host() {
              local -a verbs
              verbs=(
            \(described.joined(separator: "\n"))
              )
              if (( CURRENT == 2 )); then
                _describe verb verbs
                return
              fi
              local verb=$words[2]
              shift words
              (( CURRENT-- ))
              case $verb in
            \(cases.joined(separator: "\n"))
              esac
            }
            _host "$@"

            """
    }

    static var fish: String {
        var lines = ["# fish completion of host"]
        for verb in Verb.allCases {
            lines.append(
                "complete -c host -n __fish_use_subcommand -f -a \(verb.rawValue)"
                    + " -d '\(quoted(verb.summary))'")
            let condition = "-n '__fish_seen_subcommand_from \(verb.rawValue)'"
            if takesName(verb) {
                lines.append(
                    "complete -c host \(condition) -f -a"
                        + " \"(host list 2>/dev/null | sed '1d;s/ .*//')\"")
            }
            for option in verb.options {
                let name =
                    option.name.hasPrefix("--")
                    ? "-l \(option.name.dropFirst(2))" : "-s \(option.name.dropFirst())"
                lines.append(
                    "complete -c host \(condition) \(name)" + (option.value == nil ? "" : " -r")
                        + " -d '\(quoted(option.meaning))'")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// For single quotes, and without what zsh takes for its own.
    private static func quoted(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "'": result += "’"
            case "[": result += "("
            case "]": result += ")"
            default: result.append(character)
            }
        }
        return result
    }
}
