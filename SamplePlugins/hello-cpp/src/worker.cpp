#include "worker.hpp"

#include <cstdio>
#include <pthread.h>

namespace {

size_t count_words(std::string_view text) {
    size_t count = 0;
    bool is_inside = false;
    for (char character : text) {
        bool is_space = character == ' ' || (character >= '\t' && character <= '\r');
        count += !is_inside && !is_space;
        is_inside = !is_space;
    }
    return count;
}

} // namespace

Worker::Worker() : thread_([this] { run(); }) {
    pthread_setname_np(thread_.native_handle(), "hello-cpp-words"); // seen in `host status`
}

Worker::~Worker() {
    {
        std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void Worker::add(std::string_view body, Response &&response) {
    {
        std::lock_guard lock(mutex_);
        jobs_.emplace_back(body, std::move(response));
    }
    wake_.notify_one();
}

void Worker::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wake_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
        if (jobs_.empty())
            return;
        Job job = std::move(jobs_.front());
        jobs_.pop_front();
        lock.unlock();
        char text[48];
        int length = std::snprintf(text, sizeof text, "{\"words\":%zu}", count_words(job.body));
        job.response.json(200, {text, static_cast<size_t>(length)});
        lock.lock();
    }
}
