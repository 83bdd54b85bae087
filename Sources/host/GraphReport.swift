import HostModel

/// Who requires whom, for people and for Graphviz.
enum GraphReport {
    /// What nobody requires stands to the left, with what it requires below it.
    static func tree(_ answer: JSONValue) -> String {
        let plugins = answer["plugins"]?.array ?? []
        guard !plugins.isEmpty else {
            return "no plugin is installed; install one with: host install FILE.tar.gz\n"
        }
        var tree = Tree(plugins)
        let roots = plugins.filter { ($0["required_by"]?.array ?? []).isEmpty }
        for plugin in roots { tree.add(plugin) }
        // What is left is in circles, or hangs on one.
        for plugin in plugins where !tree.seen.contains(Report.text(plugin["name"])) {
            tree.add(plugin)
        }
        for circle in answer["circles"]?.array ?? [] {
            let way = (circle.array ?? []).map(Report.text).joined(separator: " -> ")
            tree.text += "in a circle: \(way)\n"
        }
        if tree.repeats { tree.text += "(*): what it requires is listed above\n" }
        return tree.text
    }

    /// - Source: graphviz.org/doc/info/lang.html
    static func dot(_ answer: JSONValue) -> String {
        var text = "digraph plugins {\n  rankdir=LR\n  node [shape=box]\n"
        var missing: Set<String> = []
        for plugin in answer["plugins"]?.array ?? [] {
            let (name, state) = (Report.text(plugin["name"]), Report.text(plugin["state"]))
            let label = quoted("\(name) \(Report.text(plugin["version"]))\\n\(state)")
            let style = state == "active" ? "" : " style=dashed"
            text += "  \(quoted(name)) [label=\(label)\(style)]\n"
            for need in plugin["requires"]?.array ?? [] {
                let kind = need["plugin"] == nil ? "capability" : "plugin"
                let wanted = Report.text(need[kind])
                let range = need["version"]?.string ?? "*"
                let told = kind == "plugin" ? range : "\(wanted) \(range)"
                let style = need["optional"]?.bool == true ? " style=dashed" : ""
                let providers = (need["providers"]?.array ?? []).map(Report.text)
                if providers.isEmpty { missing.insert(wanted) }
                for provider in providers.isEmpty ? ["missing \(wanted)"] : providers {
                    let edge = "\(quoted(name)) -> \(quoted(provider))"
                    text += "  \(edge) [label=\(quoted(told))\(style)]\n"
                }
            }
        }
        for name in missing.sorted() {
            text += "  \(quoted("missing \(name)")) [color=red fontcolor=red style=dashed]\n"
        }
        return text + "}\n"
    }

    /// Backslashes are escapes of labels already; names have none.
    private static func quoted(_ text: String) -> String {
        "\"" + text.replacing("\"", with: "\\\"") + "\""
    }

    private struct Tree {
        private let plugins: [String: JSONValue]
        var text = ""
        var seen: Set<String> = []
        /// Whether something is listed that has been listed before.
        var repeats = false

        init(_ plugins: [JSONValue]) {
            self.plugins = Dictionary(
                plugins.map { (Report.text($0["name"]), $0) },
                uniquingKeysWith: { first, _ in first })
        }

        mutating func add(_ plugin: JSONValue) {
            text += line(plugin) + "\n"
            addNeeds(plugin, indent: "")
        }

        private func line(_ plugin: JSONValue) -> String {
            "\(Report.text(plugin["name"])) \(Report.text(plugin["version"]))"
                + " \(Report.text(plugin["state"]))"
        }

        private mutating func addNeeds(_ plugin: JSONValue, indent: String) {
            seen.insert(Report.text(plugin["name"]))
            let needs = plugin["requires"]?.array ?? []
            for (index, need) in needs.enumerated() {
                let isLast = index == needs.count - 1
                text += indent + (isLast ? "`-- " : "|-- ") + Report.need(need) + "\n"
                let providers = (need["providers"]?.array ?? []).map(Report.text)
                let inner = indent + (isLast ? "    " : "|   ")
                for (place, name) in providers.enumerated() {
                    add(name, inner, isLast: place == providers.count - 1)
                }
            }
        }

        private mutating func add(_ name: String, _ indent: String, isLast: Bool) {
            guard let plugin = plugins[name] else { return }
            text += indent + (isLast ? "`-- " : "|-- ") + line(plugin)
            let isRepeated = seen.contains(name) && plugin["requires"]?.array?.isEmpty == false
            text += (isRepeated ? " (*)" : "") + "\n"
            guard !isRepeated else {
                repeats = true
                return
            }
            addNeeds(plugin, indent: indent + (isLast ? "    " : "|   "))
        }
    }
}
