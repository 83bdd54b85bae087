import Foundation
import Testing

/// Plugins that require each other, in a real host.
@Suite(.ownThreads, .timeLimit(.minutes(10))) struct DependencyTests {
    let root: Root
    let files: TemporaryDirectory

    init() throws {
        root = try Root()
        files = try TemporaryDirectory()
    }

    /// A bundle of a plugin of any name, in version 1.0.0 or 2.0.0.
    ///
    /// - Parameters:
    ///   - requires: the elements of `requires`, such as `{"plugin": "b", "version": "^1"}`.
    ///   - provides: a capability that it provides in its own version.
    private func bundle(
        _ name: String, version: Int = 1, requires: [String] = [], provides: String? = nil
    ) throws -> String {
        let directory = files("\(name)-\(version)-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            atPath: directory + "/lib", withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            atPath: Fixtures.library("named_v\(version)"), toPath: "\(directory)/lib/lib\(name).so")
        let capability = provides.map {
            #", "provides": [{"capability": "\#($0)", "version": "\#(version).0.0"}]"#
        }
        let manifest = """
            {"name": "\(name)", "version": "\(version).0.0", "abi": "1.0",
             "description": "A fixture.", "requires": [\(requires.joined(separator: ", "))]
             \(capability ?? "")}
            """
        try manifest.write(
            toFile: directory + "/manifest.json", atomically: false, encoding: .utf8)
        try Fixtures.pack(directory, as: directory + ".tar.gz")
        return directory + ".tar.gz"
    }

    private func install(_ name: String, version: Int = 1, requires: String...) throws {
        try root.must("install", bundle(name, version: version, requires: requires))
    }

    private func state(_ name: String) throws -> String? { try root.status(name)["state"].string }

    private func waitUntilActive(_ names: String...) throws {
        for name in names {
            try root.waitForStatus(name, "active") { $0["state"].string == "active" }
        }
    }

    private func blocked(_ name: String) throws -> [String] {
        let status = try root.status(name)
        #expect(status["state"].string == "blocked", "\(status)")
        return status["blocked"].strings
    }

    // MARK: - A hundred

    /// What each of a hundred plugins requires: some of those before it in a shuffled order.
    private func randomRequirements(seed: UInt64) -> [(name: String, requires: [String])] {
        var random = SplitMix(seed: seed)
        let names = (0..<100).map { "p\($0)" }.shuffled(using: &random)
        return names.enumerated().map { index, name in
            let count = min(index, Int.random(in: 0...3, using: &random))
            return (name, Array(names[..<index].shuffled(using: &random).prefix(count)))
        }
    }

    private func readOrder() throws -> [String: Int] {
        let text = try String(contentsOfFile: root.path + "/order", encoding: .utf8)
        let lines = text.split(separator: "\n").map(String.init)
        return Dictionary(uniqueKeysWithValues: lines.enumerated().map { ($1, $0) })
    }

    private func expectOrder(_ plugins: [(name: String, requires: [String])]) throws {
        let order = try readOrder()
        #expect(order.keys.count { $0.hasPrefix("start ") } == plugins.count)
        for (name, requires) in plugins {
            let start = try #require(order["start \(name)"])
            let stop = try #require(order["stop \(name)"])
            for other in requires {
                #expect(try #require(order["start \(other)"]) < start, "\(name) needs \(other)")
                #expect(try #require(order["stop \(other)"]) > stop, "\(name) needs \(other)")
            }
        }
    }

    @Test func hundredPlugins_startInOrder_stopInReverse_andHealInWhateverOrderTheyCome() throws {
        let plugins = randomRequirements(seed: 100)
        var random = SplitMix(seed: 7)
        let host = try HostProcess(root, options: ["--no-proof"])
        for (name, requires) in plugins.shuffled(using: &random) {
            let bundle = try bundle(name, requires: requires.map { #"{"plugin": "\#($0)"}"# })
            try root.must("install", bundle)
        }
        let client = try host.client()
        for (name, _) in plugins {
            try eventually("\(name) serves") {
                try client.get("/plugin/\(name)/api/hello").status == 200
            }
        }
        #expect(try host.terminate() == 0)
        try expectOrder(plugins)

        try FileManager.default.removeItem(atPath: root.path + "/order")
        let again = try HostProcess(root, options: ["--no-proof"])
        #expect(try again.get("/plugin/\(plugins[99].name)/api/hello").status == 200)
        #expect(try again.terminate() == 0)
        try expectOrder(plugins)
    }

    // MARK: - Blocked

    @Test func missingRequirement_blocksOnlyItsDependents_untilItAppears() throws {
        let host = try HostProcess(root)
        let told = try root.must(
            "install", bundle("a", requires: [#"{"plugin": "b", "version": "^1"}"#]))
        #expect(told.output.contains("a 1.0.0 is blocked"), "\(told)")
        #expect(told.output.contains(#"it requires plugin "b" ^1, which is not installed"#))
        try install("c", requires: #"{"plugin": "a"}"#)
        try install("lone")
        #expect(try blocked("c") == [#"it requires plugin "a", which is blocked"#])
        #expect(try state("lone") == "active")
        #expect(try host.get("/plugin/a/api/hello").status == 503)

        try install("b", version: 2)
        #expect(try blocked("a") == [#"it requires plugin "b" ^1, and there is 2.0.0"#])
        try install("b")
        try waitUntilActive("a", "c")
        #expect(try host.get("/plugin/c/api/hello").status == 200)
        #expect(try root.status("c")["blocked"].strings.isEmpty)
    }

    @Test func circle_isToldWithItsWay_afterARestartToo() throws {
        let host = try HostProcess(root)
        try install("a", requires: #"{"plugin": "b"}"#)
        try install("b", requires: #"{"plugin": "c"}"#)
        try install("c", requires: #"{"plugin": "a"}"#)
        #expect(try blocked("a") == ["it requires itself in a circle: a -> b -> c -> a"])
        #expect(try root.must("graph").output.contains("in a circle: a -> b -> c -> a"))
        #expect(try host.terminate() == 0)
        let again = try HostProcess(root)
        #expect(try blocked("c") == ["it requires itself in a circle: c -> a -> b -> c"])
        try install("c")
        try waitUntilActive("a", "b", "c")
        withExtendedLifetime(again) {}
    }

    @Test func failedProvider_blocksItsDependents() throws {
        let host = try HostProcess(root)
        try install("a", requires: #"{"plugin": "b"}"#)
        try root.must("install", bundle("b"), "--no-activate")
        try Data("broken".utf8).write(to: URL(fileURLWithPath: root.library("b")))
        expectRefusal(try root.host("activate", "b"), "ELF")
        #expect(try state("a") == "blocked")
        try root.must("install", bundle("b", provides: "anything"))
        try waitUntilActive("a", "b")
        withExtendedLifetime(host) {}
    }

    // MARK: - Taking away

    @Test func provider_isNotTakenAway_unlessItsDependentsMayGoToo() throws {
        let host = try HostProcess(root)
        try install("base")
        try install("mid", requires: #"{"plugin": "base", "version": "1.x"}"#)
        try install("top", requires: #"{"plugin": "mid"}"#)
        for command in ["deactivate", "remove"] {
            expectRefusal(
                try root.host(command, "base"), #"plugin "mid" requires plugin "base" 1.x"#,
                #"plugin "top" requires plugin "mid""#, "--cascade")
        }
        #expect(try state("top") == "active")

        try root.must("deactivate", "base", "--cascade")
        #expect(try blocked("mid") == [#"it requires plugin "base" 1.x, which is inactive"#])
        #expect(try state("top") == "blocked")
        let order = try readOrder()
        let stops = ["stop top", "stop mid", "stop base"].compactMap { order[$0] }
        #expect(stops.count == 3 && stops == stops.sorted(), "\(order)")
        try root.must("activate", "base")
        try waitUntilActive("mid", "top")

        try root.must("remove", "base", "--cascade")
        #expect(try state("top") == "blocked")
        // It may be the very bundle that was removed.
        try root.must("install", bundle("base"), "--allow-tombstoned")
        try waitUntilActive("mid", "top")
        withExtendedLifetime(host) {}
    }

    @Test func reload_doesNotTouchDependents_andANewVersionOnlyThoseItDoesNotSuit() throws {
        let host = try HostProcess(root)
        try install("base")
        try install("strict", requires: #"{"plugin": "base", "version": "^1"}"#)
        try install("easy", requires: #"{"plugin": "base", "version": ">=1"}"#)
        try root.must("reload", "base", "--force")
        let two = try bundle("base", version: 2)
        expectRefusal(
            try root.host("install", two), #"plugin "strict" requires plugin "base" ^1"#)
        #expect(try root.status("base")["version"].string == "1.0.0")
        #expect(try root.status("base")["generation"].number == 2)
        #expect(try root.status("strict")["generation"].number == 1)

        try root.must("install", two, "--cascade")
        #expect(
            try blocked("strict") == [#"it requires plugin "base" ^1, and there is 2.0.0"#])
        #expect(try root.status("easy")["generation"].number == 1)
        #expect(try root.status("easy")["state"].string == "active")
        try root.must("rollback", "base")
        try waitUntilActive("strict")
        #expect(try host.get("/plugin/strict/api/hello").status == 200)
    }

    @Test func upgrade_isRefused_whenWhatItRequiresIsNotThere() throws {
        let host = try HostProcess(root)
        try install("a")
        let two = try bundle("a", version: 2, requires: [#"{"plugin": "b"}"#])
        expectRefusal(try root.host("install", two), "not installed", "install plugin \"b\"")
        #expect(try root.status("a")["version"].string == "1.0.0")
        try install("b")
        try root.must("install", two)
        #expect(try root.status("a")["version"].string == "2.0.0")
        withExtendedLifetime(host) {}
    }

    @Test func capability_isMet_aslongAsOneProviderServes() throws {
        let host = try HostProcess(root)
        let need = #"{"capability": "renderer", "version": "^1"}"#
        try install("page", requires: need)
        #expect(
            try blocked("page")
                == [#"it requires capability "renderer" ^1, which no other plugin provides"#])
        try root.must("install", bundle("one", provides: "renderer"))
        try waitUntilActive("page")
        try root.must("install", bundle("two", provides: "renderer"))
        try root.must("deactivate", "one")
        #expect(try state("page") == "active")
        expectRefusal(try root.host("deactivate", "two"), #""page" requires capability"#)
        try root.must("deactivate", "two", "--cascade")
        #expect(
            try blocked("page") == [
                #"it requires capability "renderer" ^1, and "one" is inactive, "two" is inactive"#
            ])
        withExtendedLifetime(host) {}
    }

    // MARK: - Without a daemon, and told

    @Test func requirements_countWithoutADaemonToo() throws {
        try install("base")
        try install("top", requires: #"{"plugin": "base"}"#)
        expectRefusal(try root.host("remove", "base"), #"plugin "top" requires plugin "base""#)
        try root.must("remove", "base", "--cascade")
        let host = try HostProcess(root)
        #expect(try blocked("top") == [#"it requires plugin "base", which is not installed"#])
        withExtendedLifetime(host) {}
    }

    @Test func graph_isShown_asTextDotAndJSON() throws {
        try install("base")
        try install("left", requires: #"{"plugin": "base", "version": "^1"}"#)
        try root.must(
            "install",
            bundle(
                "top",
                requires: [
                    #"{"plugin": "left"}"#, #"{"plugin": "base"}"#,
                    #"{"capability": "gone", "optional": true}"#,
                ]))
        let host = try HostProcess(root)
        #expect(
            try root.must("graph").output == """
                top 1.0.0 active
                |-- plugin left
                |   `-- left 1.0.0 active
                |       `-- plugin base ^1
                |           `-- base 1.0.0 active
                |-- plugin base
                |   `-- base 1.0.0 active
                `-- capability gone, not there, optional

                """)
        let json = try JSON(parsing: root.must("graph", "--json").output)
        #expect(json["order"].elements.map(\.strings) == [["base"], ["left"], ["top"]])
        #expect(json["plugins"][0]["required_by"].strings == ["left", "top"])
        #expect(json["circles"].elements.isEmpty)
        let dot = try root.must("graph", "--dot").output
        #expect(dot.hasPrefix("digraph plugins {\n"))
        #expect(dot.contains(#""left" -> "base" [label="^1"]"#))
        #expect(dot.contains(#""top" -> "missing gone" [label="gone *" style=dashed]"#))
        let status = try root.must("status", "top").output
        #expect(status.contains("requires     plugin left"), "\(status)")
        withExtendedLifetime(host) {}
    }
}
