/// Counts the multiples of three up to a bound, in a way that needs the Swift runtime.
@_cdecl("fixture_swift_count")
public func fixtureSwiftCount(upTo: UInt32) -> UInt32 {
    UInt32((1...max(upTo, 1)).filter { $0.isMultiple(of: 3) }.map(String.init).count)
}
