import FuzzSupport
import HTTPWire
import Testing

@Suite struct FrameSeamTests {
    /// The bytes of a frame, with a mask or without.
    private func frame(_ opcode: UInt8, _ count: Int, masked: Bool = false) -> [UInt8] {
        var bytes: [UInt8] = [0x80 | opcode]
        let mask: UInt8 = masked ? 0x80 : 0
        switch count {
        case ..<126: bytes.append(mask | UInt8(count))
        case ..<65_536: bytes += [mask | 126, UInt8(count >> 8), UInt8(count & 0xFF)]
        default:
            bytes += [mask | 127, 0, 0, 0, 0, 0] + [16, 8, 0].map { UInt8(count >> $0 & 0xFF) }
        }
        return bytes + [UInt8](repeating: 0x88, count: count + (masked ? 4 : 0))
    }

    @Test func seam_isOpenWhereAFrameEnds_andNowhereElse() {
        var bytes: [UInt8] = []
        var ends: Set<Int> = [0]
        for count in [0, 1, 125, 126, 127, 700, 65_535, 65_536, 70_000, 0, 5] {
            for masked in [false, true] {
                bytes += frame(count.isMultiple(of: 2) ? 1 : 2, count, masked: masked)
                ends.insert(bytes.count)
            }
        }
        var seam = FrameSeam()
        var wrong: [Int] = []
        for (index, byte) in bytes.enumerated() {
            let isRight = seam.isOpen == ends.contains(index)
            let isTaken = [byte].withUnsafeBytes { seam.take($0) } == 1
            if !isRight || !isTaken { wrong.append(index) }
        }
        #expect(wrong.isEmpty)
        #expect(seam.isOpen && !seam.hasClosed)
    }

    @Test func take_stopsAtTheNextSeam_whenItIsTo() {
        let bytes = frame(1, 300) + frame(9, 0) + frame(8, 2) + frame(1, 4)
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = FuzzRandom(seed: seed)
        for _ in 0..<50 {
            var (seam, at, stops) = (FrameSeam(), 0, [Int]())
            while at < bytes.count {
                let end = Int.random(in: (at + 1)...bytes.count, using: &random)
                at += bytes[at..<end].withUnsafeBytes { seam.take($0, stops: true) }
                if seam.isOpen { stops.append(at) }
                #expect(seam.hasClosed == (at > 306), "seed \(seed), at \(at)")
            }
            #expect(stops == [304, 306, 310, 316], "seed \(seed)")
        }
    }
}
