import PluginHost

/// The manual page, made of what the verbs say of themselves.
///
/// - Source: man-pages(7), groff_man(7).
enum ManPage {
    static var text: String {
        var page = """
            .TH HOST 1 "" "host \(escaped(HostVersion.text))" "User commands"
            .SH NAME
            host \\- serve plugins, and reload or unload them while serving
            .SH SYNOPSIS
            .B host
            .I VERB
            .RI [ ARGUMENT ...]
            .RI [ OPTION ...]
            .SH DESCRIPTION
            .B host
            installs plugin bundles, loads their code, serves their routes, and reloads or unloads
            them while it serves.
            .SH VERBS

            """
        for verb in Verb.allCases {
            let arguments = verb.arguments.map { " \\fI\(escaped($0))\\fR" }.joined()
            page += ".SS \"host \(verb.rawValue)\(arguments)\"\n\(sentence(verb.summary))\n"
            if let details = verb.details { page += ".PP\n\(escaped(details))\n" }
            for option in verb.options {
                let value = option.value.map { " \\fI\(escaped($0))\\fR" } ?? ""
                page += ".TP\n\\fB\(escaped(option.name))\\fR\(value)\n"
                page += escaped(option.meaning) + "\n"
            }
        }
        page += """
            .SH SIGNALS
            .TP
            .BR SIGTERM ", " SIGINT
            lets running requests end, and ends; a second one ends at once.
            .TP
            .B SIGHUP
            looks for changes of the configuration and of plugins.
            .TP
            .B SIGUSR1
            opens the access log again.
            .TP
            .B SIGUSR2
            becomes the program that lies in the place of the running one, without refusing a
            client.
            .SH EXIT STATUS
            0 done, 1 refused or failed, 2 usage.
            .SH ENVIRONMENT
            .TP
            .B PLUGIN_HOST_ROOT
            the root, unless
            .B \\-\\-root
            names one.
            .TP
            .BR NOTIFY_SOCKET ", " WATCHDOG_USEC ", " LISTEN_FDS
            as a service manager sets them: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3).

            """
        return page
    }

    private static func sentence(_ text: String) -> String {
        escaped(text.prefix(1).uppercased() + text.dropFirst()) + "."
    }

    /// Hyphens stay what they are, and no line begins as a request does.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "\\": result += "\\e"
            case "-": result += "\\-"
            default: result.append(character)
            }
        }
        return result.hasPrefix(".") || result.hasPrefix("'") ? "\\&" + result : result
    }
}
