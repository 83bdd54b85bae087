import CPluginABI

/// What the entry returns: the manifest and the functions of the plugin, as C reads them.
///
/// It is made at the first call of the entry and freed when the image is closed, after the last
/// reader has gone.
@safe
@usableFromInline
final class Contract {
    /// The contract of this image. It needs no lock because it is written only within the entry,
    /// before anything else can be called, and when the image is closed.
    nonisolated(unsafe) static var current: Contract?

    let registration: Registration
    let plugin: UnsafeMutablePointer<ph_plugin>
    let health: UnsafeMutablePointer<ph_health>
    private let offers = OfferTables()
    private let manifest: UnsafeMutablePointer<ph_manifest>
    private let routes: UnsafeMutableBufferPointer<ph_route>
    private let services: UnsafeMutableBufferPointer<ph_text>

    @usableFromInline
    static func install(_ registration: Registration) {
        unsafe current = Contract(registration)
    }

    init(_ registration: Registration) {
        self.registration = registration
        let source = registration.manifest
        let shapes = registration.shapes
        unsafe routes = .allocate(capacity: shapes.count)
        for index in shapes.indices {
            unsafe routes.initializeElement(at: index, to: ph_route(shapes[index]))
        }
        unsafe services = .allocate(capacity: source.services.count)
        for index in source.services.indices {
            unsafe services.initializeElement(at: index, to: ph_text(source.services[index].id))
        }
        var manifest = unsafe ph_manifest()
        unsafe manifest.size = UInt32(MemoryLayout<ph_manifest>.size)
        unsafe manifest.route_size = UInt32(MemoryLayout<ph_route>.stride)
        unsafe manifest.name = ph_text(source.name)
        unsafe manifest.version = ph_text(source.version)
        unsafe manifest.description = ph_text(source.description)
        unsafe manifest.routes = UnsafePointer(routes.baseAddress)
        unsafe manifest.route_count = routes.count
        unsafe manifest.services = UnsafePointer(services.baseAddress)
        unsafe manifest.service_count = services.count
        unsafe self.manifest = .allocate(capacity: 1)
        unsafe self.manifest.initialize(to: manifest)

        var health = ph_health()
        health.size = UInt32(MemoryLayout<ph_health>.size)
        unsafe health.check = { state, reason in
            unsafe Instance.at(state)?.reportHealth(to: reason) ?? 2
        }
        unsafe self.health = .allocate(capacity: 1)
        unsafe self.health.initialize(to: health)

        var plugin = unsafe ph_plugin()
        unsafe plugin.size = UInt32(MemoryLayout<ph_plugin>.size)
        unsafe plugin.abi_version = abiVersion
        unsafe plugin.manifest = UnsafePointer(self.manifest)
        unsafe plugin.`init` = { host, state, error in
            unsafe Instance.make(host: host, state: state, error: error)
        }
        unsafe plugin.start = { state, error in
            unsafe Instance.at(state)?.start(error) ?? wrongState
        }
        unsafe plugin.stop = { state, error in
            unsafe Instance.at(state)?.stop(error) ?? wrongState
        }
        unsafe plugin.deinit = { state in unsafe Instance.drop(state) }
        unsafe plugin.handle = { state, request, response in
            unsafe Instance.handle(state, request, response)
        }
        unsafe plugin.extension = { state, id in
            if unsafe BorrowedText(unsafe: id) == "ph.health/1" {
                return unsafe UnsafeRawPointer(Contract.current?.health)
            }
            guard let instance = unsafe Instance.at(state) else { return nil }
            return unsafe Contract.current?.offers.table(unsafe: id, of: instance.offers)
        }
        unsafe self.plugin = .allocate(capacity: 1)
        unsafe self.plugin.initialize(to: plugin)
    }

    deinit {
        unsafe plugin.deallocate()
        unsafe health.deallocate()
        unsafe manifest.deallocate()
        unsafe services.deallocate()
        unsafe routes.deallocate()
    }
}

/// The version of the ABI that PluginKit was compiled with.
var abiVersion: UInt32 { UInt32(PH_ABI_MAJOR) << 16 | UInt32(PH_ABI_MINOR) }

extension ph_route {
    init(_ shape: RouteShape) {
        unsafe self.init()
        unsafe method = ph_text(shape.method)
        unsafe pattern = ph_text(shape.pattern)
        unsafe flags =
            (shape.body.streams ? UInt32(PH_ROUTE_STREAM_BODY) : 0)
            | (shape.blocks ? UInt32(PH_ROUTE_BLOCKING) : 0)
        unsafe body_bytes_max = shape.body.bytesMax
    }
}
