# Writes OUTPUT, the .proto file INPUT with its strings as bytes, which are the same on the wire: protobuf-c's strings end at their first
# NUL, bytes have a length. cmake -DINPUT=... -DOUTPUT=... -P bytes.cmake
file(READ ${INPUT} text)
string(REGEX REPLACE "\n( +)((repeated )?)string " "\n\\1\\2bytes " text "${text}")
file(WRITE ${OUTPUT} "${text}")
