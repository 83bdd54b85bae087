import CPluginABI
import Testing

@testable import PluginHost

/// Responses of hooks that answer for the host, through the functions that their plugins have.
@Suite struct HookResponseTests {
    private let http = WorkerHTTP.table.pointee

    private func response(mayAnswer: Bool = true) -> HookResponse {
        var parcel = Parcel()
        for text in ["notes", "GET", "/{id}"] { parcel.put(text) }
        parcel.put(UInt64(4))
        for text in ["name", "trace"] { parcel.put(text) }
        var reader = ParcelReader(parcel.bytes)
        return HookResponse(ShownRequest(&reader), mayAnswer: mayAnswer)
    }

    private func bytes(_ text: StaticString) -> ph_bytes {
        ph_bytes(data: text.utf8Start, length: text.utf8CodeUnitCount)
    }

    private func header(_ name: StaticString, _ value: StaticString) -> ph_header {
        func text(_ text: StaticString) -> ph_text {
            ph_text(
                data: UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self),
                length: text.utf8CodeUnitCount)
        }
        return ph_header(name: text(name), value: text(value))
    }

    @Test func answerInPieces_isCollected_andGoesOnce() throws {
        let response = response()
        let handle = response.begin()
        var field = header("X-Why", "no key")
        #expect(http.write(handle, bytes("a")) == ph_status(PH_WRONG_STATE))
        #expect(http.begin(handle, 401, &field, 1, .max) == ph_status(PH_OK))
        #expect(http.begin(handle, 401, &field, 1, .max) == ph_status(PH_WRONG_STATE))
        #expect(http.write(handle, bytes("who are")) == ph_status(PH_OK))
        #expect(http.write(handle, bytes(" you?")) == ph_status(PH_OK))
        #expect(http.finish(handle) == ph_status(PH_OK))
        #expect(http.finish(handle) == ph_status(PH_WRONG_STATE))
        let given = try #require(response.end().given)
        #expect(given.status == 401)
        var reader = ParcelReader(given.bytes)
        #expect(reader.headers().map { String($0.name) } == ["X-Why"])
        #expect(reader.string() == "who are you?")
        // The handle leads nowhere now.
        #expect(http.respond(handle, 200, nil, 0, ph_bytes()) == ph_status(PH_WRONG_STATE))
        #expect(http.request_id(handle).length == 0)
    }

    @Test func whatTheHostWouldRefuse_isRefusedHere() {
        let response = response()
        let handle = response.begin()
        var bad = header("X Y", "z")
        #expect(http.respond(handle, 200, &bad, 1, ph_bytes()) == ph_status(PH_INVALID))
        #expect(http.respond(handle, 99, nil, 0, ph_bytes()) == ph_status(PH_INVALID))
        let much = ph_bytes(data: nil, length: 1)
        #expect(http.respond(handle, 200, nil, 0, much) == ph_status(PH_INVALID))
        #expect(http.observe(handle, nil) < 0)
        #expect(response.end().given == nil)
    }

    @Test func onlyBegun_isToldApart_andAborted() throws {
        let begun = response()
        #expect(http.begin(begun.begin(), 200, nil, 0, .max) == ph_status(PH_OK))
        #expect(begun.end().isUnfinished)
        let aborted = response()
        http.abort(aborted.begin())
        #expect(try #require(aborted.end().given).status == 0)
    }

    @Test func completionIsTold_alsoWhenItCameFirst() {
        let told = Recorder<String>()
        let late = response()
        let handle = late.begin()
        late.whenComplete { told.add("late") }
        #expect(told.all.isEmpty)
        #expect(http.respond(handle, 204, nil, 0, ph_bytes()) == ph_status(PH_OK))
        late.whenComplete { told.add("again") }
        #expect(told.all == ["late", "again"])
    }

    @Test func hookOfTheResponse_learnsNames_andCannotAnswer() {
        let response = response(mayAnswer: false)
        let handle = response.begin()
        #expect(http.respond(handle, 200, nil, 0, ph_bytes()) == ph_status(PH_WRONG_STATE))
        #expect(!response.isNamed)
        #expect(String(http.request_id(handle)) == "name")
        #expect(String(http.trace_parent(handle)) == "trace")
        #expect(response.isNamed)
        #expect(response.end().given == nil)
    }
}
