/*
 * The characters that a token in an HTTP field may have: tchar of RFC 9110, 5.6.2.
 */
#ifndef TC_CODEC_TCHAR_H
#define TC_CODEC_TCHAR_H

#define TC_TCHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"

#endif
