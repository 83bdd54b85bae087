internal import HostModel

/// `GET /top`: what plugins use.
extension AdminAPI {
    /// For how long it may be measured.
    private static let secondsRange: ClosedRange<Int64> = 1...60

    func top(_ query: [String: String]) async throws(HostError) -> JSONValue {
        var form = QueryForm(query)
        let seconds = form.number("seconds", in: Self.secondsRange) ?? 1
        try form.end()
        return await manager.top(seconds: Int(seconds))
    }
}
