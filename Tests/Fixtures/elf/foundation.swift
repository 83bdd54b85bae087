import Foundation

struct Message: Codable {
    var number: Int
    var words: [String]
    var time: Date
}

@_cdecl("fixture_entry")
public func fixtureEntry(_ value: Int32) -> Int32 {
    let encoder = JSONEncoder()
    encoder.dateEncodingStrategy = .iso8601
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    let message = Message(number: Int(value), words: ["x", "y"], time: Date())
    guard let data = try? encoder.encode(message),
        let back = try? decoder.decode(Message.self, from: data)
    else { return -1 }
    return Int32(back.number)
}
