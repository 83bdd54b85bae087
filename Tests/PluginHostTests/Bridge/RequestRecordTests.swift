import CPluginABI
import HTTPWire
import Testing

@testable import PluginHost

@Suite struct RequestRecordTests {
    @Test func record_fitsIntoTheStorageOfAnExchange() {
        #expect(MemoryLayout<RequestRecord>.size <= RequestRecord.parametersOffset)
        #expect(
            RequestRecord.addressOffset + RequestRecord.addressBytesMax <= RequestRecord.bytesMax)
    }

    @Test func headersAndParameters_haveTheLayoutOfThePluginHeader() {
        #expect(MemoryLayout<ph_text>.size == MemoryLayout<ByteSlice>.size)
        #expect(
            MemoryLayout<ph_text>.offset(of: \.length)
                == MemoryLayout<ByteSlice>.offset(of: \.count))
        #expect(MemoryLayout<ph_header>.stride == MemoryLayout<HeaderField>.stride)
        #expect(
            MemoryLayout<ph_header>.offset(of: \.value)
                == MemoryLayout<HeaderField>.offset(of: \.value))
    }

    @Test func response_ofAnEarlierUse_isNotFound() throws {
        let storage = UnsafeMutableRawPointer.allocate(
            byteCount: RequestRecord.bytesMax, alignment: 16)
        defer { storage.deallocate() }
        storage.initializeMemory(as: UInt8.self, repeating: 0xA5, count: RequestRecord.bytesMax)
        let pointer = RecordPointer(storage)
        pointer.renew()
        let first = pointer.response
        #expect(RecordPointer.of(first)?.0.address == storage)
        pointer.renew()
        #expect(RecordPointer.of(first) == nil)
        #expect(RecordPointer.of(pointer.response)?.0.address == storage)
        #expect(RecordPointer.of(nil) == nil)
    }

    @Test func phase_changesOnce_alsoWhileAnObserverRuns() throws {
        let storage = UnsafeMutableRawPointer.allocate(
            byteCount: RequestRecord.bytesMax, alignment: 16)
        defer { storage.deallocate() }
        storage.initializeMemory(as: UInt8.self, repeating: 0, count: RequestRecord.bytesMax)
        let pointer = RecordPointer(storage)
        pointer.renew()
        pointer.set(.owed, from: pointer.record.pointee.word.load(ordering: .relaxed))
        let seen = pointer.record.pointee.word.load(ordering: .relaxed)
        pointer.record.pointee.word.bitwiseOr(RequestRecord.observing, ordering: .relaxed)
        #expect(pointer.exchangePhase(.complete, from: seen))
        #expect(!pointer.exchangePhase(.complete, from: seen))
        let word = pointer.record.pointee.word.load(ordering: .relaxed)
        #expect(RecordPointer.phase(word) == .complete)
        #expect(word & RequestRecord.observing != 0)
    }
}
