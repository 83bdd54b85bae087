import CPluginABI
import HostModel
import Testing

@testable import PluginHost

@Suite struct ParcelTests {
    @Test func textsAndNumbers_comeBackAsTheyWere() {
        var parcel = Parcel()
        parcel.put(UInt64.max)
        parcel.put("Jürgen")
        parcel.put(ph_text())
        parcel.put("")
        parcel.put([0xFF, 0x00])
        var reader = ParcelReader(parcel.bytes)
        #expect(reader.number() == UInt64.max)
        #expect(reader.string() == "Jürgen")
        #expect(reader.text().data == nil)
        let empty = reader.text()
        #expect(empty.data != nil && empty.length == 0)
        let data = reader.data()
        #expect(Array(UnsafeBufferPointer(start: data.data, count: data.length)) == [0xFF, 0x00])
        #expect(!reader.isBroken)
        #expect(reader.number() == 0)
        #expect(reader.isBroken)
    }

    @Test func whatDoesNotFit_isEmpty() {
        var short = Parcel()
        short.put("text")
        var reader = ParcelReader(Array(short.bytes.dropLast()))
        #expect(reader.text().data == nil)
        #expect(reader.isBroken)
        #expect(reader.number() == 0)
        var many = Parcel()
        many.put(UInt64.max)
        var counting = ParcelReader(many.bytes)
        #expect(counting.headers().isEmpty)
        #expect(counting.isBroken)
        var long = Parcel()
        long.put(UInt64.max)
        var slicing = ParcelReader(long.bytes)
        #expect(slicing.data().length == 0)
        #expect(slicing.isBroken)
    }

    @Test func optionsOfAHook_cross() {
        let all: [HookOptions.Policy] = [.fail, .skip, .disable(after: 3)]
        for kind in HookOptions.Kind.allCases {
            for policy in all {
                let options = HookOptions(kind: kind, priority: -5, policy: policy, blocks: true)
                #expect(HookOptions(json: .object(options.json)) == options)
            }
        }
        #expect(HookOptions(json: ["kind": 9, "priority": 0, "on_failure": 0]) == nil)
        #expect(HookOptions(json: ["kind": 1, "priority": 0, "on_failure": 3]) == nil)
        #expect(HookOptions(json: ["kind": 1, "on_failure": 0]) == nil)
    }

    @Test func originOfACall_crosses_withoutWhoIsNobody() {
        var origin = CallOrigin()
        origin.depth = 3
        origin.waiting = [7, 0, 1 << 31, 7]
        origin.isAwaited = true
        origin.milliseconds = 250
        let crossed = CallOrigin(json: .object(origin.json))
        #expect(crossed.depth == 3)
        #expect(crossed.waiting == [7, 1 << 31])
        #expect(crossed.isAwaited)
        #expect(crossed.milliseconds == 250)
        let stood = crossed.stand { CallOrigin.here }
        #expect(stood.depth == 3)
        #expect(stood.waiting == [7, 1 << 31])
        #expect(CallOrigin.here.depth == 0)
        #expect(CallOrigin.here.waiting.isEmpty)
    }
}
