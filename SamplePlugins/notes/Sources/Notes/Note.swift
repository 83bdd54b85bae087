import PluginKit

/// A note as it is kept.
struct Note {
    let id: Int
    let text: NoteText
    let created: String
    let changed: String

    var json: JSON {
        [
            "id": .integer(id), "title": .string(text.title), "text": .string(text.text),
            "created": .string(created), "changed": .string(changed),
        ]
    }
}

/// What a client may write in a note.
struct NoteText {
    static let titleLengthMax = 200
    static let textLengthMax = 10_000
    static let bodyBytesMax: UInt32 = 128 * 1024

    let title: String
    let text: String

    init(title: String, text: String) {
        self.title = title
        self.text = text
    }

    /// Reads `{"title":..., "text":...}`.
    ///
    /// - Throws: 400 when it is no JSON, 422 naming every field that is not valid.
    init(_ body: borrowing RequestBody) throws(HTTPError) {
        let json = try body.json()
        let title = json["title"]?.string?.trimmed
        let text = json["text"].map(\.string) ?? ""
        var problems: [InvalidField] = []
        if title == nil || title == "" || title.map({ $0.count > Self.titleLengthMax }) == true {
            problems.append(
                InvalidField("title", "a text of 1 to \(Self.titleLengthMax) characters"))
        }
        if text.map({ $0.count > Self.textLengthMax }) ?? true {
            problems.append(
                InvalidField("text", "a text of at most \(Self.textLengthMax) characters"))
        }
        guard problems.isEmpty, let title, let text else { throw .invalid(problems) }
        self.init(title: title, text: text)
    }
}

/// Some of the notes that match, and how many there are.
struct NotePage {
    let notes: [Note]
    let page: Int
    let size: Int
    let total: Int

    var json: JSON {
        [
            "notes": .array(notes.map(\.json)), "page": .integer(page),
            "pages": .integer(max(1, (total + size - 1) / size)), "total": .integer(total),
        ]
    }
}

extension String {
    /// The text without white space at both ends.
    var trimmed: String {
        let kept = drop(while: \.isWhitespace)
        return String(
            kept[
                ..<(kept.lastIndex { !$0.isWhitespace }.map(kept.index(after:)) ?? kept.startIndex)]
        )
    }
}
