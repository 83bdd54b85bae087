import Foundation

/// What the journal of a running host holds at one time.
struct Chronicle {
    let entries: [JSON]

    /// Asks until it is told: an engine that crashes meanwhile leaves the question unanswered.
    init(_ root: Root) throws {
        entries = try eventually("the journal is told") {
            let client = try HTTPClient(unixSocket: "\(root.path)/host.sock")
            guard let answer = try? client.get("/events?since=0") else { return nil }
            return try JSON(parsing: Data(answer.text.utf8))["events"].elements
        }
    }

    /// Those of one kind, oldest first.
    func events(_ name: String) -> [JSON] { entries.filter { $0["event"].string == name } }

    /// The latest of one kind; null when there is none.
    func last(_ name: String) -> JSON { events(name).last ?? .null }

    /// Whether it holds all that there was before, as it was, and no number is missing.
    func continues(_ former: Chronicle) -> Bool {
        entries.starts(with: former.entries)
            && entries.enumerated().allSatisfy { $1["sequence"].number == Double($0 + 1) }
    }
}
