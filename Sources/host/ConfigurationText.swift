import HostModel

/// What is known of the plugins' configuration, for people.
enum ConfigurationText {
    /// Each value of a plugin, with its origin.
    static func plugin(_ answer: JSONValue) -> String {
        let name = Report.text(answer["plugin"])
        var text = ""
        if answer["enabled"]?.bool == false {
            text += "\(name) is disabled by \(Report.text(answer["enabled_by"]))\n"
        }
        let values = answer["values"]?.array ?? []
        if values.isEmpty {
            text += "\(name) has no configuration\n"
        } else {
            var table = Table(rows: [["KEY", "VALUE", "ORIGIN"]])
            for value in values { table.rows.append(row(value)) }
            text += table.description
        }
        return text + lines(answer["warnings"])
    }

    private static func row(_ value: JSONValue) -> [String] {
        let isSecret = value["secret"]?.bool == true
        let shown = isSecret ? Report.text(value["value"]) : value["value"]?.text() ?? ""
        let leads = value["reference"].map { " -> " + Report.text($0) } ?? ""
        return [
            Report.text(value["key"]), Escaping.printable(shown),
            Report.text(value["origin"]) + leads,
        ]
    }

    private static func lines(_ list: JSONValue?) -> String {
        (list?.array ?? []).map { "warning: \(Report.text($0))\n" }.joined()
    }

    /// Why a plugin's configuration does not count; nil when it does.
    static func error(of answer: JSONValue) -> HostError? {
        let objections = (answer["objections"]?.array ?? []).compactMap(\.string)
        if objections.isEmpty {
            return answer["error"].flatMap { try? HostError(json: ["error": $0]) }
        }
        return HostError(
            "configuration_invalid",
            what: "the configuration of plugin \"\(Report.text(answer["plugin"]))\" is not valid",
            why: objections, fix: "correct the file or the variable that is named")
    }

    /// What a check of all plugins found that is not wrong.
    static func warnings(_ answer: JSONValue) -> String {
        let lines = told(answer["warnings"]).map { "warning: \($0)\n" }.joined()
        let isValid = answer["objections"]?.array?.isEmpty == true
        return lines + (isValid ? "every configuration is valid\n" : "")
    }

    /// What a check of all plugins found wrong; nil when nothing is.
    static func error(ofCheck answer: JSONValue) -> HostError? {
        let reasons = told(answer["objections"])
        guard !reasons.isEmpty else { return nil }
        return HostError(
            "configuration_invalid", what: "not every configuration is valid", why: reasons,
            fix: "correct the files or the variables that are named")
    }

    private static func told(_ list: JSONValue?) -> [String] {
        (list?.array ?? []).flatMap { entry in
            let plugin = Report.text(entry["plugin"])
            return (entry["why"]?.array ?? []).map {
                (plugin.isEmpty ? "" : plugin + ": ") + Report.text($0)
            }
        }
    }
}
