/* A test module that has the name of mpm-itk and does nothing. */
#include <httpd.h>
#include <http_config.h>

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
}

__attribute__((visibility("default"))) AP_DECLARE_MODULE(mpm_itk) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, AP_MODULE_FLAG_NONE
};
