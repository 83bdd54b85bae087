import Foundation

extension Rule {
    /// Nothing that ends the process, and nothing left for later.
    static let bannedInSources = Rule.without(
        ["try!", "fatalError(", " as! "],
        in: { $0.isSwift && $0.isBelow("Sources", "SamplePlugins") })

    static let nothingLeftForLater = Rule.without(
        ["TODO", "FIXME"], in: { $0.isCode && !$0.isTidiness })

    /// Tests wait for events, not for time to pass.
    static let noSleepInTests = Rule.without(
        ["Task.sleep", "usleep(", "nanosleep(", "Thread.sleep", " sleep("],
        in: {
            $0.isSwift && $0.isBelow("Tests") && !$0.isBelow("Tests/Fixtures") && !$0.isTidiness
        })

    /// `String(contentsOfFile:)` and `Data(contentsOf:)` stop after the first page of a file in
    /// /proc: a test that looks for something there would pass whatever is in it.
    static let wholeFilesOfProc = Rule.lines(
        applies: { $0.isSwift && !$0.isTidiness },
        check: { line in
            let isByPath = ["contentsOfFile:", "contents(atPath:"].contains { line.contains($0) }
            return isByPath && line.contains("/maps") ? "this reads the first page only" : nil
        })

    /// No path of the machine that somebody worked on.
    static let noMachinePaths = Rule.without(
        ["/root/", "/Users/", "/opt/", "/mnt/"], in: { !$0.isTidiness })

    static let lineLength = Rule.lines(
        applies: { $0.isCode },
        check: { $0.count > 100 ? "\($0.count) characters; at most 100" : nil })

    static let fileLength = Rule(
        applies: { $0.isCode },
        check: { $0.lines.count > 700 ? [(0, "\($0.lines.count) lines; at most 700")] : [] })

    static let noTrailingSpace = Rule.lines(
        applies: { !$0.path.contains("/Cases/") },
        check: { $0.last == " " || $0.last == "\t" || $0.last == "\r" ? "space at the end" : nil })

    /// No rulers made of punctuation in Swift.
    static let noBanners = Rule.lines(
        applies: { $0.isSwift },
        check: { line in
            let text = line.drop { $0 == " " }
            guard text.hasPrefix("//") else { return nil }
            let rest = text.drop { $0 == "/" || $0 == " " }
            return ["----", "====", "****", "####"].contains { rest.hasPrefix($0) }
                ? "a banner" : nil
        })

    /// The project and the samples depend on no package but, by its path, on this one.
    static let packagesByPathOnly = Rule(
        applies: { $0.name.hasPrefix("Package") && $0.isSwift },
        check: { file in
            file.lines.indices.compactMap { index in
                guard file.lines[index].contains(".package(") else { return nil }
                let call = file.lines[index...].prefix(3).joined().drop { $0 != "(" }
                let argument = call.dropFirst().drop { $0 == " " }
                let isLocal =
                    argument.hasPrefix("path:")
                    || argument.hasPrefix("name: \"plugin-host\", path:")
                return isLocal ? nil : (index + 1, "a package from elsewhere")
            }
        })

    /// Where the compiler takes somebody's word, the reason stands beside it.
    static let promisesHaveReasons = Rule(
        applies: { $0.isSwift && $0.isBelow("Sources") },
        check: { file in
            file.lines.indices.compactMap { index in
                let line = file.lines[index]
                let promises = ["@unchecked Sendable", "nonisolated(unsafe)"]
                let code = line.drop { $0 == " " }.hasPrefix("//") ? "" : line
                guard let promise = promises.first(where: { code.contains($0) }) else { return nil }
                let comments = file.lines[..<index].reversed().prefix {
                    let text = $0.drop { $0 == " " }
                    return text.hasPrefix("//") || text.hasPrefix("@")
                }
                let isExplained = ([line] + comments).contains { $0.contains("because") }
                return isExplained ? nil : (index + 1, "\(promise) without \"because ...\"")
            }
        })

    /// Rooms without pointers.
    static let safeRooms = Rule.lines(
        applies: { $0.isSwift && $0.isBelow("Sources/HostModel", "Sources/host") },
        check: { line in
            let text = line.drop { $0 == " " }
            guard !text.hasPrefix("//") else { return nil }
            return ["unsafe ", "Unsafe"].contains { text.contains($0) }
                ? "this room knows no pointers" : nil
        })

    /// Every rule that looks at one file at a time.
    static let all: [(String, Rule)] = [
        ("bannedInSources", bannedInSources),
        ("nothingLeftForLater", nothingLeftForLater),
        ("noSleepInTests", noSleepInTests),
        ("noMachinePaths", noMachinePaths),
        ("wholeFilesOfProc", wholeFilesOfProc),
        ("lineLength", lineLength),
        ("fileLength", fileLength),
        ("noTrailingSpace", noTrailingSpace),
        ("noBanners", noBanners),
        ("packagesByPathOnly", packagesByPathOnly),
        ("promisesHaveReasons", promisesHaveReasons),
        ("safeRooms", safeRooms),
        ("arrows", arrows),
    ]
}
