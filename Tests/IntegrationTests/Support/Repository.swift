import Foundation

/// Where things are in this checkout.
enum Repository {
    /// The top directory.
    static let path: String = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { url.deleteLastPathComponent() }
        return url.path
    }()

    /// The directory of the products that were built with this test bundle.
    static let products: String =
        (URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path as NSString)
        .deletingLastPathComponent

    /// The bundles of the sample plugins, as `make plugins` leaves them.
    static func sampleBundle(_ name: String) -> String? {
        let bundle = "\(path)/.build/bundles/\(name).tar.gz"
        return FileManager.default.fileExists(atPath: bundle) ? bundle : nil
    }
}
