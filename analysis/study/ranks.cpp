// MPI's C interface; its errors end the job, as is its default.
#include "analysis/study/ranks.h"

#ifdef SCSIM_MPI
#include <mpi.h>
#endif

#include <cstdlib>
#include <string_view>

namespace scsim::analysis {

#ifdef SCSIM_MPI
namespace {

class MpiRanks final : public Ranks {
 public:
  MpiRanks() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }
  ~MpiRanks() override { MPI_Finalize(); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::optional<Message> poll() override {
    int there = 0;
    MPI_Status status;
    MPI_Iprobe(MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, &there, &status);
    if (there == 0) return std::nullopt;
    int count = 0;
    MPI_Get_count(&status, MPI_BYTE, &count);
    Message message{status.MPI_SOURCE, std::string(static_cast<std::size_t>(count), '\0')};
    MPI_Recv(message.bytes.data(), count, MPI_BYTE, status.MPI_SOURCE, 0, MPI_COMM_WORLD,
             MPI_STATUS_IGNORE);
    return message;
  }
  void send(int to, const std::string& bytes) override {
    MPI_Send(bytes.data(), static_cast<int>(bytes.size()), MPI_BYTE, to, 0, MPI_COMM_WORLD);
  }

 private:
  int rank_ = 0, size_ = 1;
};

}  // namespace
#endif

Expected<std::unique_ptr<Ranks>> Ranks::join() {
  const char* size = std::getenv("OMPI_COMM_WORLD_SIZE");
  if (size == nullptr) return std::make_unique<Ranks>();
#ifdef SCSIM_MPI
  return std::unique_ptr<Ranks>(std::make_unique<MpiRanks>());
#else
  if (std::string_view(size) == "1") return std::make_unique<Ranks>();
  return Error{
      "started by mpirun, but built without Open MPI; install libopenmpi-dev and openmpi-bin, and "
      "build again"};
#endif
}

}  // namespace scsim::analysis
