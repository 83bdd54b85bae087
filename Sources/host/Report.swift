import HostModel

/// The answers of the admin interface, for people.
enum Report {
    static func list(_ answer: JSONValue) -> String {
        let plugins = answer["plugins"]?.array ?? []
        guard !plugins.isEmpty else {
            return "no plugin is installed; install one with: host install FILE.tar.gz\n"
        }
        var table = Table(rows: [["NAME", "VERSION", "STATE", "MODE", "GENERATION", "IN FLIGHT"]])
        for plugin in plugins {
            table.rows.append(
                ["name", "version", "state", "mode", "generation", "in_flight"].map {
                    text(plugin[$0])
                })
        }
        return table.description
    }

    static func routes(_ answer: JSONValue) -> String {
        let routes = answer["routes"]?.array ?? []
        guard !routes.isEmpty else { return "no plugin serves\n" }
        var table = Table(rows: [["PLUGIN", "METHOD", "PATH"]])
        for route in routes {
            let path = text(route["host"]) + text(route["path"])
            table.rows.append([text(route["plugin"]), text(route["method"]), path])
        }
        return table.description
    }

    static func mounts(_ answer: JSONValue) -> String {
        let mounts = answer["mounts"]?.array ?? []
        guard !mounts.isEmpty else {
            return "no plugin is mounted but at /plugin/NAME; mount one with:"
                + " host mount NAME --at PATH\n"
        }
        var table = Table(rows: [["HOST", "PATH", "PLUGIN", "STATE"]])
        for mount in mounts {
            let host = mount["host"]?.string == nil ? "any" : text(mount["host"])
            table.rows.append([
                host, text(mount["prefix"]), text(mount["plugin"]), text(mount["state"]),
            ])
        }
        return table.description
    }

    static func path(_ answer: JSONValue) -> String {
        let bundles = answer["bundles"]?.array ?? []
        guard !bundles.isEmpty else {
            return "no bundle is on the search path; give it with: host serve --plugin-path DIR\n"
        }
        var table = Table(rows: [["BUNDLE", "PLUGIN", "VERSION", "STATE"]])
        for bundle in bundles {
            let reason = text(bundle["reason"])
            table.rows.append([
                text(bundle["path"]), text(bundle["plugin"]), text(bundle["version"]),
                text(bundle["state"]) + (reason.isEmpty ? "" : ": " + reason),
            ])
        }
        return table.description
    }

    static func capabilities(_ answer: JSONValue) -> String {
        let capabilities = answer["capabilities"]?.array ?? []
        guard !capabilities.isEmpty else { return "no plugin that serves provides a capability\n" }
        var table = Table(
            rows: [["CAPABILITY", "VERSION", "PROVIDER", "GENERATION", "PRIORITY", "OPTIONS"]])
        for one in capabilities {
            let options = one["options"].map { $0.text() } ?? "{}"
            table.rows.append(
                ["capability", "version", "provider", "generation", "priority"].map {
                    text(one[$0])
                } + [options == "{}" ? "" : options])
        }
        return table.description
    }

    /// One line on where a plugin is mounted after a change.
    static func mount(_ plugin: JSONValue) -> String {
        let name = text(plugin["name"])
        let places = ["/plugin/\(name)"] + (plugin["mounts"]?.array ?? []).map(place)
        return "\(name) is mounted at \(places.joined(separator: ", "))\n"
    }

    private static func place(_ mount: JSONValue) -> String {
        text(mount["host"]) + text(mount["prefix"])
    }

    static func status(_ plugin: JSONValue) -> String {
        var table = Table(rows: [])
        func row(_ title: String, _ value: String) {
            if !value.isEmpty { table.rows.append([title, value]) }
        }
        row("name", text(plugin["name"]))
        row("version", text(plugin["version"]))
        row("description", text(plugin["description"]))
        row("state", text(plugin["state"]))
        row("mode", text(plugin["mode"]))
        row("confinement", confinement(plugin))
        row("mode chosen", text(plugin["mode_reason"]))
        row("generation", text(plugin["generation"]))
        row("digest", text(plugin["digest"]))
        if let signature = plugin["signature"].flatMap({ try? SignatureNote(json: $0) }) {
            row("signature", signature.description)
        }
        row("in flight", text(plugin["in_flight"]))
        row("sockets", text(plugin["sockets"]))
        row("health", [plugin["health"]?["state"], plugin["health"]?["reason"]].told())
        if let unload = plugin["unload"], unload.object != nil {
            row("unload", text(unload["verdict"]) + reasons(unload))
        }
        if let last = plugin["last_unload"], last.object != nil {
            row(
                "last unload",
                "generation \(text(last["generation"])) \(text(last["verdict"])) after "
                    + "\(text(last["milliseconds"])) ms" + reasons(last))
        }
        for image in plugin["images"]?.array ?? [] {
            row(
                "image",
                "generation \(text(image["generation"])) \(text(image["use"]))" + reasons(image)
                    + holdings(image))
        }
        for version in plugin["versions"]?.array ?? [] {
            let inForce = version["in_force"]?.bool == true ? ", in force" : ""
            row("release", "\(text(version["id"])) \(text(version["status"]))\(inForce)")
        }
        for mount in plugin["mounts"]?.array ?? [] { row("mount", place(mount)) }
        for (key, told) in Self.serviceStates {
            for service in plugin["services"]?[key]?.array ?? [] {
                row("service", "\(text(service)) \(told)")
            }
        }
        for need in plugin["requires"]?.array ?? [] { row("requires", self.need(need)) }
        row("required by", (plugin["required_by"]?.array ?? []).map(text).joined(separator: ", "))
        for reason in plugin["blocked"]?.array ?? [] { row("blocked", text(reason)) }
        row("config", configuration(plugin["configuration"]))
        row("pool", pool(plugin["work"]))
        row("calls", calls(plugin["work"]))
        row("reloads", reloads(plugin["reloads"]))
        for route in plugin["routes"]?.array ?? [] { row("route", text(route)) }
        if let error = plugin["last_error"], error.object != nil,
            let told = try? HostError(json: ["error": error])
        {
            return table.description + told.description + "\n"
        }
        return table.description
    }

    /// One line on what a change came to, and on what is still going on.
    static func change(_ plugin: JSONValue) -> String {
        var line = "\(text(plugin["name"])) \(text(plugin["version"])) is \(text(plugin["state"]))"
        if plugin["generation"]?.integer ?? 0 > 0 {
            line += ", generation \(text(plugin["generation"]))"
        }
        if let unload = plugin["unload"], let verdict = unload["verdict"]?.string,
            verdict != "close", plugin["generation"]?.integer ?? 0 > 0
        {
            line += "\nit can never be unloaded" + reasons(unload)
        }
        for reason in plugin["blocked"]?.array ?? [] { line += "\n" + text(reason) }
        if plugin["confinement"]?.string == "off" { line += "\n" + confinement(plugin) }
        for service in plugin["services"]?["denied"]?.array ?? [] {
            line +=
                "\nit asks for \(text(service)), which is not granted; grant it with:"
                + " host grant \(text(plugin["name"])) \(text(service))"
        }
        for image in plugin["images"]?.array ?? [] where image["use"]?.string != "serving" {
            line += "\ngeneration \(text(image["generation"])) is \(text(image["use"]))"
            line += reasons(image)
        }
        return line + "\n"
    }

    /// How the processes of a plugin are confined; nothing where there are none.
    private static func confinement(_ plugin: JSONValue) -> String {
        switch plugin["confinement"]?.string {
        case nil: ""
        case "off": "NOT CONFINED: its processes have the rights of the host's user"
        case let choice?: choice
        }
    }

    private static let serviceStates = [
        ("granted", "granted"), ("denied", "not granted"), ("unknown", "not known to this host"),
    ]

    /// One line on what a plugin is given, and one on what the change came to.
    static func grants(_ plugin: JSONValue) -> String {
        let granted = (plugin["services"]?["granted"]?.array ?? []).map(text)
        let told = granted.isEmpty ? "no service" : granted.joined(separator: ", ")
        return "\(text(plugin["name"])) is granted \(told)\n" + change(plugin)
    }

    /// A requirement, and who meets it.
    static func need(_ need: JSONValue) -> String {
        let kind = need["plugin"] == nil ? "capability" : "plugin"
        let range = need["version"]?.string ?? "*"
        var line = "\(kind) \(text(need[kind]))" + (range == "*" ? "" : " " + text(.string(range)))
        let providers = (need["providers"]?.array ?? []).map(text).joined(separator: ", ")
        if kind == "capability", !providers.isEmpty { line += " (of \(providers))" }
        if need["met"]?.bool != true { line += ", not there" }
        return line + (need["optional"]?.bool == true ? ", optional" : "")
    }

    /// What runs on the plugin's own threads.
    private static func pool(_ work: JSONValue?) -> String {
        let routes = (work?["pooled_routes"]?.array ?? []).compactMap(\.string)
        guard let work, !routes.isEmpty else { return "" }
        return "\(text(work["pool_threads"])) threads, \(text(work["pool_waiting"])) waiting: "
            + routes.joined(separator: ", ")
    }

    /// What did not go as it should.
    private static func calls(_ work: JSONValue?) -> String {
        guard let work else { return "" }
        let parts = [
            ("overruns", "overran"), ("timeouts", "not answered in time"),
            ("rejected", "rejected"),
        ].compactMap { key, told -> String? in
            work[key]?.integer ?? 0 > 0 ? "\(text(work[key])) \(told)" : nil
        }
        return parts.joined(separator: ", ")
    }

    private static func configuration(_ configuration: JSONValue?) -> String {
        guard let configuration, configuration.object != nil else { return "" }
        let error = configuration["error"].flatMap { try? HostError(json: ["error": $0]) }
        let why = error.map { "; what the files say now does not count: " + $0.what } ?? ""
        return "revision \(text(configuration["revision"]))" + Escaping.printable(why)
    }

    private static func reloads(_ reloads: JSONValue?) -> String {
        guard let reloads, reloads["count"]?.integer ?? 0 > 0 else { return "" }
        var parts = ["\(text(reloads["count"])) unloaded"]
        if let bytes = reloads["bytes_each"]?.integer {
            parts.append("\(bytes) bytes left by each")
        }
        return parts.joined(separator: ", ")
    }

    private static func reasons(_ value: JSONValue) -> String {
        let reasons = (value["reasons"]?.array ?? []).compactMap(\.string)
        return reasons.isEmpty ? "" : ": " + reasons.joined(separator: "; ")
    }

    private static func holdings(_ image: JSONValue) -> String {
        let threads = (image["threads"]?.array ?? []).compactMap(\.string)
        var parts = threads.isEmpty ? [] : ["threads: " + threads.joined(separator: ", ")]
        if let keys = image["keys"]?.integer, keys > 0 { parts.append("pthread keys: \(keys)") }
        return parts.isEmpty ? "" : " (" + parts.joined(separator: "; ") + ")"
    }

    /// A value as it stands in a table, with what is not printable escaped.
    static func text(_ value: JSONValue?) -> String {
        switch value {
        case .string(let text): Escaping.printable(text)
        case nil, .null: ""
        case let value?: value.text()
        }
    }
}

extension [JSONValue?] {
    /// What is there, with colons between.
    fileprivate func told() -> String {
        compactMap { $0?.string }.filter { !$0.isEmpty }.map { Escaping.printable($0) }
            .joined(separator: ": ")
    }
}
