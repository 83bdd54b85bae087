#include "response.hpp"
#include "worker.hpp"

#include <pluginhost/log.h>

#include <exception>
#include <memory>
#include <new>
#include <string>

PH_PLUGIN_NOTE;

namespace {

enum Route : uint32_t { route_hello, route_version, route_words };

constexpr ph_route routes[] = {
    {PH_TEXT_INIT("GET"), PH_TEXT_INIT("/hello"), 0, 0},
    {PH_TEXT_INIT("GET"), PH_TEXT_INIT("/version"), 0, 0},
    {PH_TEXT_INIT("POST"), PH_TEXT_INIT("/words"), 0, 1024 * 1024},
};

constexpr ph_text services[] = {PH_TEXT_INIT(PH_LOG_ID)};

constexpr ph_manifest manifest = {
    sizeof(ph_manifest),
    sizeof(ph_route),
    PH_TEXT_INIT("hello-cpp"),
    PH_TEXT_INIT("1.0.0"),
    PH_TEXT_INIT(
        "A plugin in C++: RAII, a worker thread, and thread-local data that does not pin it."),
    routes,
    std::size(routes),
    services,
    std::size(services),
};

/// A buffer for each thread of the host that calls handle. It has a destructor, which that thread
/// owes the image until it ends: the host ends such threads before it closes the image.
thread_local std::string scratch;

/// Runs `body`, and turns what it throws into a status: no exception crosses the boundary.
template <typename Body>
ph_status guarded(ph_error *error, Body body) noexcept {
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return ph_fail(error, PH_NO_MEMORY, "there is not enough memory");
    } catch (const std::exception &exception) {
        return ph_fail(error, PH_FAILED, exception.what());
    } catch (...) {
        return ph_fail(error, PH_FAILED, "something was thrown that is no std::exception");
    }
}

class Plugin {
public:
    explicit Plugin(const ph_host *host)
        : host_(host),
          log_(static_cast<const ph_log *>(host->service(host, PH_TEXT(PH_LOG_ID)))) {}

    void start() {
        worker_ = std::make_unique<Worker>();
        log("hello-cpp has started");
    }

    void stop() {
        worker_.reset();
        log("hello-cpp has stopped");
    }

    ph_status handle(const ph_request &request, Response &response) {
        switch (request.route) {
        case route_hello:
            return response.json(200, "{\"message\":\"Hello, World!\"}");
        case route_version:
            scratch = "{\"name\":\"hello-cpp\",\"version\":\"1.0.0\",\"generation\":";
            scratch += std::to_string(host_->generation);
            scratch += '}';
            return response.json(200, scratch);
        case route_words: {
            auto *text = reinterpret_cast<const char *>(request.body.data);
            worker_->add({text, request.body.length}, std::move(response));
            return PH_PENDING;
        }
        default:
            return PH_FAILED;
        }
    }

    const ph_http *http() const { return host_->http; }

private:
    void log(std::string_view message) const {
        if (log_)
            log_->write(host_, PH_LOG_INFO, ph_text_make(message.data(), message.size()));
    }

    const ph_host *host_;
    const ph_log *log_; // null: the host has no log for us
    std::unique_ptr<Worker> worker_;
};

constexpr ph_plugin plugin = {
    sizeof(ph_plugin),
    PH_ABI_VERSION,
    &manifest,
    [](const ph_host *host, void **state, ph_error *error) noexcept {
        return guarded(error, [&]() -> ph_status {
            *state = new Plugin(host);
            return PH_OK;
        });
    },
    [](void *state, ph_error *error) noexcept {
        return guarded(error, [&]() -> ph_status {
            static_cast<Plugin *>(state)->start();
            return PH_OK;
        });
    },
    [](void *state, ph_error *error) noexcept {
        return guarded(error, [&]() -> ph_status {
            static_cast<Plugin *>(state)->stop();
            return PH_OK;
        });
    },
    [](void *state) noexcept { delete static_cast<Plugin *>(state); },
    [](void *state, const ph_request *request, ph_response *response) noexcept {
        auto *self = static_cast<Plugin *>(state);
        Response owed(self->http(), response);
        ph_status status = guarded(nullptr, [&] { return self->handle(*request, owed); });
        owed.release();
        return status;
    },
    nullptr,
};

} // namespace

const ph_plugin *ph_plugin_entry(const ph_host *, uint32_t abi_version) {
    return abi_version >> 16 == PH_ABI_MAJOR ? &plugin : nullptr;
}
