/**
 * SBX_API marks what libsignalbox exports; everything else in the library is hidden.
 */
#ifndef SIGNALBOX_API_H
#define SIGNALBOX_API_H

#define SBX_API __attribute__((visibility("default")))

#endif
