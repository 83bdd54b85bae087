/* A content handler as an Apache module. */
#include "httpd.h"
#include "http_config.h"
#include "http_protocol.h"

static int handle(request_rec *request) {
    if (!request->handler || strcmp(request->handler, "hello") != 0)
        return DECLINED;
    ap_set_content_type(request, "application/json");
    ap_rputs("{\"message\":\"Hello, World!\"}", request);
    return OK;
}

static void register_hooks(apr_pool_t *pool) {
    (void)pool;
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA hello_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks
};
