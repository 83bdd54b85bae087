internal import CPluginABI
import HostModel

/// One state of a configuration as a plugin is handed it: JSON, with an index of every value in it.
@safe
final class ConfigurationSnapshot: @unchecked Sendable {  // because nothing changes after init
    /// Where a value stands in the bytes.
    private struct Place {
        let json: Range<Int>
        /// Of a string, its characters.
        var text: Range<Int>?
        var number: JSONNumber?
        var truth: Bool?
    }

    let revision: UInt64
    let resolved: ResolvedConfiguration
    private let bytes: UnsafeMutablePointer<CChar>
    private let count: Int
    private let places: [String: Place]

    init(_ resolved: ResolvedConfiguration, revision: UInt64) {
        self.resolved = resolved
        self.revision = revision
        var writer = Writer()
        writer.write(resolved.json, at: "")
        let start = writer.json.count
        places = writer.places.mapValues { place in
            var place = place
            place.text = place.text.map { $0.lowerBound + start..<$0.upperBound + start }
            return place
        }
        let all = writer.json + writer.texts
        count = all.count
        unsafe bytes = .allocate(capacity: all.count)
        for (index, byte) in all.enumerated() {
            unsafe (bytes + index).initialize(to: CChar(bitPattern: byte))
        }
    }

    deinit {
        // There may be secrets in it.
        unsafe bytes.update(repeating: 0, count: count)
        unsafe bytes.deallocate()
    }

    private func place(_ name: ph_text) -> Place? {
        let name = unsafe String(name)
        return places[name.isEmpty || name.hasPrefix("/") ? name : Self.step("", name)]
    }

    private func text(_ range: Range<Int>) -> ph_text {
        unsafe ph_text(data: bytes + range.lowerBound, length: range.count)
    }

    /// The value as JSON; null data when there is none. Valid as long as the snapshot, like all
    /// text from here.
    func json(_ name: ph_text) -> ph_text {
        guard let place = unsafe place(name) else { return unsafe ph_text(data: nil, length: 0) }
        return unsafe text(place.json)
    }

    /// The characters of a string; nil when there is none.
    func text(_ name: ph_text) -> ph_text? {
        guard let range = unsafe place(name)?.text else { return nil }
        return unsafe text(range)
    }

    func integer(_ name: ph_text) -> Int64? {
        guard let number = unsafe place(name)?.number else { return nil }
        return number.integer ?? Int64(exactly: number.double)
    }

    func number(_ name: ph_text) -> Double? {
        unsafe place(name)?.number?.double
    }

    func truth(_ name: ph_text) -> Bool? {
        unsafe place(name)?.truth
    }

    private static func step(_ pointer: String, _ name: String) -> String {
        pointer + JSONPointer([name]).description
    }

    /// Writes JSON and notes where each value stands.
    private struct Writer {
        var json: [UInt8] = []
        var texts: [UInt8] = []
        var places: [String: Place] = [:]

        mutating func write(_ value: JSONValue, at pointer: String) {
            let start = json.count
            switch value {
            case .object(let members):
                json.append(UInt8(ascii: "{"))
                for (index, member) in members.members.enumerated() {
                    if index > 0 { json.append(UInt8(ascii: ",")) }
                    json += JSONValue.string(member.key).text().utf8
                    json.append(UInt8(ascii: ":"))
                    write(member.value, at: step(pointer, member.key))
                }
                json.append(UInt8(ascii: "}"))
            case .array(let elements):
                json.append(UInt8(ascii: "["))
                for (index, element) in elements.enumerated() {
                    if index > 0 { json.append(UInt8(ascii: ",")) }
                    write(element, at: step(pointer, String(index)))
                }
                json.append(UInt8(ascii: "]"))
            default: json += value.text().utf8
            }
            var place = Place(json: start..<json.count)
            if let text = value.string {
                place.text = texts.count..<(texts.count + text.utf8.count)
                texts += text.utf8
            }
            place.number = value.number
            place.truth = value.bool
            places[pointer] = place
        }
    }
}
