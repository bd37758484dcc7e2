# Headers, pkg-config file and CMake package; the targets install themselves.
install(DIRECTORY include/larder DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
