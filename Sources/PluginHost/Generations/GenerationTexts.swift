internal import CPluginABI
internal import HostModel

/// The method and the pattern of a route, as hooks are shown them.
@unsafe
struct RouteText {
    let method: ph_text
    let pattern: ph_text
}

/// The name and the routes of a generation as C reads them, in memory that stays where it is.
@safe
final class GenerationTexts {
    let name: ph_text
    let routes: UnsafePointer<RouteText>
    private let bytes: UnsafeMutablePointer<CChar>

    init(_ name: PluginName, _ routes: [RouteDeclaration]) {
        let total = routes.reduce(name.text.utf8.count) {
            $0 + $1.method.utf8.count + $1.pattern.utf8.count
        }
        let bytes = UnsafeMutablePointer<CChar>.allocate(capacity: total)
        var used = 0
        func keep(_ text: String) -> ph_text {
            let start = unsafe bytes + used
            for byte in text.utf8 {
                unsafe bytes[used] = CChar(bitPattern: byte)
                used += 1
            }
            return unsafe ph_text(data: start, length: text.utf8.count)
        }
        unsafe self.name = keep(name.text)
        let texts = UnsafeMutablePointer<RouteText>.allocate(capacity: max(1, routes.count))
        for (index, route) in routes.enumerated() {
            unsafe (texts + index).initialize(
                to: RouteText(method: keep(route.method), pattern: keep(route.pattern)))
        }
        unsafe self.bytes = bytes
        unsafe self.routes = UnsafePointer(texts)
    }

    deinit {
        unsafe routes.deallocate()
        unsafe bytes.deallocate()
    }
}
