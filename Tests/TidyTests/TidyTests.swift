import Testing

/// The rules of the house hold in every file of this repository.
struct TidyTests {
    @Test(arguments: Rule.all.map(\.0))
    func everyFile_keepsTheRule(named name: String) throws {
        let files = try Checkout.files()
        let rule = try #require(Rule.all.first { $0.0 == name }?.1)
        #expect(files.contains(where: rule.applies), "the rule applies to no file at all")
        for finding in rule.findings(in: files) {
            Issue.record("\(finding)")
        }
    }

    @Test func topLevel_holdsOnlyWhatTheDesignNames() throws {
        let strangers = TopLevel.strangers(among: try Checkout.paths())
        #expect(strangers == [])
    }

    @Test func everyRoom_isInThePackage() throws {
        let paths = try Checkout.paths()
        let rooms = Set(
            paths.filter { $0.hasPrefix("Sources/") }.map { $0.split(separator: "/")[1] })
        #expect(rooms.isSubset(of: Rooms.arrows.keys.map { $0[...] }))
        let manifest = try #require(try Checkout.files().first { $0.path == "Package.swift" })
        let text = manifest.lines.joined(separator: "\n")
        for room in rooms {
            #expect(text.contains("name: \"\(room)\""), "Package.swift does not name \(room)")
        }
    }
}

/// What may stand at the top of the repository.
enum TopLevel {
    static let allowed: Set = [
        "Package.swift", "Sources", "Tests", "SamplePlugins", "Makefile", "README.md",
    ]

    static func strangers(among paths: [String]) -> [String] {
        Set(paths.compactMap { $0.split(separator: "/").first.map(String.init) })
            .filter { !allowed.contains($0) && !$0.hasPrefix(".") }.sorted()
    }
}
